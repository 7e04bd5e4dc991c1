/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints. Their arguments are values that the driver has made or checked,
 * never pointers to what the host can change.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM netvsc

#if !defined(_NETVSC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _NETVSC_TRACE_H

#include <linux/netdevice.h>
#include <linux/tracepoint.h>

#include "nvsp_proto.h"
#include "rndis_proto.h"

/* Programs that read the format files know no enum */
TRACE_DEFINE_ENUM(NVSP_INIT);
TRACE_DEFINE_ENUM(NVSP_INIT_COMPLETE);
TRACE_DEFINE_ENUM(NVSP_NDIS_VERSION);
TRACE_DEFINE_ENUM(NVSP_RECV_BUF);
TRACE_DEFINE_ENUM(NVSP_RECV_BUF_COMPLETE);
TRACE_DEFINE_ENUM(NVSP_REVOKE_RECV_BUF);
TRACE_DEFINE_ENUM(NVSP_SEND_BUF);
TRACE_DEFINE_ENUM(NVSP_SEND_BUF_COMPLETE);
TRACE_DEFINE_ENUM(NVSP_REVOKE_SEND_BUF);
TRACE_DEFINE_ENUM(NVSP_RNDIS_PACKET);
TRACE_DEFINE_ENUM(NVSP_RNDIS_PACKET_COMPLETE);
TRACE_DEFINE_ENUM(NVSP_NDIS_CONFIG);
TRACE_DEFINE_ENUM(NVSP_VF_ASSOCIATION);
TRACE_DEFINE_ENUM(NVSP_SWITCH_DATA_PATH);
TRACE_DEFINE_ENUM(NVSP_SUBCHANNEL);
TRACE_DEFINE_ENUM(NVSP_INDIRECTION_TABLE);

#define show_rndis_type(type)						\
	__print_symbolic(type,						\
		{ RNDIS_PACKET, "PACKET" },				\
		{ RNDIS_INDICATE, "INDICATE" },				\
		{ RNDIS_INITIALIZE, "INIT" },				\
		{ RNDIS_INITIALIZE | RNDIS_COMPLETION, "INIT_C" },	\
		{ RNDIS_HALT, "HALT" },					\
		{ RNDIS_QUERY, "QUERY" },				\
		{ RNDIS_QUERY | RNDIS_COMPLETION, "QUERY_C" },		\
		{ RNDIS_SET, "SET" },					\
		{ RNDIS_SET | RNDIS_COMPLETION, "SET_C" },		\
		{ RNDIS_RESET, "RESET" },				\
		{ RNDIS_RESET | RNDIS_COMPLETION, "RESET_C" },		\
		{ RNDIS_KEEPALIVE, "KEEPALIVE" },			\
		{ RNDIS_KEEPALIVE | RNDIS_COMPLETION, "KEEPALIVE_C" })

#define show_nvsp_type(type)						\
	__print_symbolic(type,						\
		{ NVSP_INIT, "INIT" },					\
		{ NVSP_INIT_COMPLETE, "INIT_COMPLETE" },		\
		{ NVSP_NDIS_VERSION, "SEND_NDIS_VER" },			\
		{ NVSP_RECV_BUF, "SEND_RECV_BUF" },			\
		{ NVSP_RECV_BUF_COMPLETE, "SEND_RECV_BUF_COMPLETE" },	\
		{ NVSP_REVOKE_RECV_BUF, "REVOKE_RECV_BUF" },		\
		{ NVSP_SEND_BUF, "SEND_SEND_BUF" },			\
		{ NVSP_SEND_BUF_COMPLETE, "SEND_SEND_BUF_COMPLETE" },	\
		{ NVSP_REVOKE_SEND_BUF, "REVOKE_SEND_BUF" },		\
		{ NVSP_RNDIS_PACKET, "SEND_RNDIS_PKT" },		\
		{ NVSP_RNDIS_PACKET_COMPLETE, "SEND_RNDIS_PKT_COMPLETE" }, \
		{ NVSP_NDIS_CONFIG, "SEND_NDIS_CONFIG" },		\
		{ NVSP_VF_ASSOCIATION, "SEND_VF_ASSOCIATION" },		\
		{ NVSP_SWITCH_DATA_PATH, "SWITCH_DATA_PATH" },		\
		{ NVSP_SUBCHANNEL, "SUBCHANNEL" },			\
		{ NVSP_INDIRECTION_TABLE, "SEND_INDIRECTION_TABLE" })

DECLARE_EVENT_CLASS(rndis_msg_class,
		    TP_PROTO(const struct net_device *ndev, u16 q, u32 req_id,
			     u32 msg_type, u32 msg_len),
		    TP_ARGS(ndev, q, req_id, msg_type, msg_len),
		    TP_STRUCT__entry(__string(name, ndev->name)
				     __field(u16, queue)
				     __field(u32, req_id)
				     __field(u32, msg_type)
				     __field(u32, msg_len)),
		    TP_fast_assign(__assign_str(name);
				   __entry->queue = q;
				   __entry->req_id = req_id;
				   __entry->msg_type = msg_type;
				   __entry->msg_len = msg_len;),
		    TP_printk("dev=%s q=%u req=%#x type=%s msg_len=%u",
			      __get_str(name), __entry->queue, __entry->req_id,
			      show_rndis_type(__entry->msg_type), __entry->msg_len));

DEFINE_EVENT(rndis_msg_class, rndis_send,
	     TP_PROTO(const struct net_device *ndev, u16 q, u32 req_id,
		      u32 msg_type, u32 msg_len),
	     TP_ARGS(ndev, q, req_id, msg_type, msg_len));

DEFINE_EVENT(rndis_msg_class, rndis_recv,
	     TP_PROTO(const struct net_device *ndev, u16 q, u32 req_id,
		      u32 msg_type, u32 msg_len),
	     TP_ARGS(ndev, q, req_id, msg_type, msg_len));

TRACE_EVENT(nvsp_send,
	    TP_PROTO(const struct net_device *ndev, u32 msg_type),
	    TP_ARGS(ndev, msg_type),
	    TP_STRUCT__entry(__string(name, ndev->name)
			     __field(u32, msg_type)),
	    TP_fast_assign(__assign_str(name);
			   __entry->msg_type = msg_type;),
	    TP_printk("dev=%s type=%s",
		      __get_str(name), show_nvsp_type(__entry->msg_type)));

TRACE_EVENT(nvsp_recv,
	    TP_PROTO(const struct net_device *ndev, u16 qid, u32 msg_type),
	    TP_ARGS(ndev, qid, msg_type),
	    TP_STRUCT__entry(__string(name, ndev->name)
			     __field(u16, qid)
			     __field(u32, msg_type)),
	    TP_fast_assign(__assign_str(name);
			   __entry->qid = qid;
			   __entry->msg_type = msg_type;),
	    TP_printk("dev=%s qid=%u type=%s",
		      __get_str(name), __entry->qid,
		      show_nvsp_type(__entry->msg_type)));

TRACE_EVENT(nvsp_send_pkt,
	    TP_PROTO(const struct net_device *ndev, u16 qid, u32 channel_type,
		     u32 section_index, u32 section_size),
	    TP_ARGS(ndev, qid, channel_type, section_index, section_size),
	    TP_STRUCT__entry(__string(name, ndev->name)
			     __field(u16, qid)
			     __field(u32, channel_type)
			     __field(u32, section_index)
			     __field(u32, section_size)),
	    TP_fast_assign(__assign_str(name);
			   __entry->qid = qid;
			   __entry->channel_type = channel_type;
			   __entry->section_index = section_index;
			   __entry->section_size = section_size;),
	    TP_printk("dev=%s qid=%u type=%s section=%u size=%d",
		      __get_str(name), __entry->qid,
		      __entry->channel_type ? "CONTROL" : "DATA",
		      __entry->section_index, __entry->section_size));

#endif

/* Looked for in the directories of the -I options, of which the Makefile makes
 * that of this file one, wherever the sources are.
 */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE netvsc_trace
#include <trace/define_trace.h>
