// SPDX-License-Identifier: GPL-2.0-only
/*
 * RNDIS control: requests to the host and their answers, what the host can do,
 * what it shall do, and what it says unasked. Numbers in brackets name the
 * sections of the protocol reference.
 *
 * A request consists of a message in a page of its own, and two answers: the
 * NVSP completion that gives the page back, and the RNDIS completion, which is
 * another message of the host's. It is on nv->requests, and so can be found by
 * its id, until both have come, or its waiter has given up and has the page
 * back. A page that the host has not given back stays with it until that
 * happens, or the channel is closed.
 *
 * All requests are made by the configuration path: under RTNL, or by probe,
 * resume and remove alone. They wait until the deadline that the caller has set
 * by nvsp_set_deadline().
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/nls.h>
#include <linux/slab.h>

#include "hyperv_net.h"
#include "netvsc.h"
#include "netvsc_trace.h"
#include "nvsp_proto.h"
#include "rndis_filter.h"
#include "rndis_msg.h"

/* More RNDIS messages in a send section save nothing that can be measured */
#define RNDIS_PACKETS_MAX	64
#define RNDIS_ALIGN_FACTOR_MAX	7

#define RNDIS_NAME_NONE		"Network Adapter"
#define RNDIS_MAC_NAME		"NetworkAddress"
#define RNDIS_MAC_DIGITS	(2 * ETH_ALEN)

/**
 * struct rndis_request - a control message, and what came back
 * @node: in nv->requests
 * @id: of the request
 * @completion: message type of its completion
 * @sent: the host may have @page
 * @abandoned: nobody waits: only the host still has it
 * @answered: @reply is there
 * @xact: the NVSP exchange: its completion gives @page back
 * @page: the message; the host sees all of the page
 * @replied: completed with @answered
 * @answer: @reply, parsed
 * @reply: copy of the completion
 * @reply_len: its length in bytes
 *
 * Lock: nv->xact_lock for @abandoned and @answered; the others are the
 * waiter's, @reply from the completion of @replied on.
 */
struct rndis_request {
	struct list_head node;
	u32 id;
	u32 completion;
	bool sent;
	bool abandoned;
	bool answered;
	struct nvsp_xact xact;
	struct page *page;
	struct completion replied;
	struct rndis_reply answer;
	u32 reply_len;
	u8 reply[sizeof(struct rndis_initialize_c) + RNDIS_INFO_MAX];
};

/* A message of @len bytes, all zero but for its header */
static struct rndis_request *rndis_request_new(u32 type, u32 len)
{
	struct rndis_request *req;
	struct rndis_hdr *hdr;

	req = kzalloc(sizeof(*req), GFP_KERNEL);
	if (!req)
		return NULL;
	req->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!req->page) {
		kfree(req);
		return NULL;
	}
	req->completion = type | RNDIS_COMPLETION;
	req->xact.kind = NVSP_XACT_RNDIS;
	init_completion(&req->replied);

	hdr = page_address(req->page);
	hdr->type = cpu_to_le32(type);
	hdr->len = cpu_to_le32(len);
	return req;
}

static void rndis_request_free(struct netvsc *nv, struct rndis_request *req)
{
	nvsp_xact_end(nv, &req->xact);
	__free_page(req->page);
	kfree(req);
}

/* Frees what nobody waits for: what the host has given back, or all of it */
static void rndis_request_reap(struct netvsc *nv, bool all)
{
	struct rndis_request *req, *next;
	unsigned long flags;
	LIST_HEAD(reaped);

	spin_lock_irqsave(&nv->xact_lock, flags);
	list_for_each_entry_safe(req, next, &nv->requests, node)
		if (all || (req->abandoned && req->xact.answered))
			list_move(&req->node, &reaped);
	spin_unlock_irqrestore(&nv->xact_lock, flags);

	list_for_each_entry_safe(req, next, &reaped, node)
		rndis_request_free(nv, req);
}

/* The waiter is done with it */
static void rndis_request_put(struct netvsc *nv, struct rndis_request *req)
{
	unsigned long flags;
	bool ours;

	spin_lock_irqsave(&nv->xact_lock, flags);
	ours = !req->sent || req->xact.answered;
	if (ours)
		list_del(&req->node);
	else
		req->abandoned = true;
	spin_unlock_irqrestore(&nv->xact_lock, flags);

	if (ours)
		rndis_request_free(nv, req);
}

static int rndis_request_send(struct netvsc *nv, struct rndis_request *req)
{
	struct rndis_halt *msg = page_address(req->page);	/* all have its id */
	u32 len = le32_to_cpu(msg->hdr.len);
	unsigned long flags;
	int err;

	rndis_request_reap(nv, false);
	nvsp_xact_start(nv, &req->xact);
	spin_lock_irqsave(&nv->xact_lock, flags);
	if (!(le32_to_cpu(msg->hdr.type) & RNDIS_COMPLETION))
		req->id = ++nv->request_serial;
	list_add_tail(&req->node, &nv->requests);
	spin_unlock_irqrestore(&nv->xact_lock, flags);

	msg->id = cpu_to_le32(req->id);
	trace_rndis_send(nv->ndev, 0, req->id, le32_to_cpu(msg->hdr.type), len);
	err = nvsp_send_control(nv, req->page, len, req->xact.id);
	req->sent = !err;
	return err;
}

/* Did the host refuse the message without looking into it? */
static bool rndis_request_refused(const struct rndis_request *req)
{
	const struct nvsp_msg_rndis_complete *c = (const void *)req->xact.reply;

	return le32_to_cpu(c->status) != NVSP_STATUS_SUCCESS;
}

/*
 * Sends and waits for both answers. 0: req->answer is there; an answer that makes
 * no sense, and a refused message, count as an answer of RNDIS_STATUS_FAILURE.
 */
static int rndis_exchange(struct netvsc *nv, struct rndis_request *req)
{
	struct rndis_reply *answer = &req->answer;
	int err;

	err = rndis_request_send(nv, req);
	if (err)
		return err;
	err = nvsp_wait(nv, &req->xact.done);
	if (err)
		return err;
	if (!rndis_request_refused(req) || completion_done(&req->replied)) {
		err = nvsp_wait(nv, &req->replied);
		if (err)
			return err;
		err = rndis_msg_parse_reply(req->reply, req->reply_len, answer);
		if (!err && answer->type == req->completion &&
		    answer->id == req->id)
			return 0;
	}
	memset(answer, 0, sizeof(*answer));
	answer->status = RNDIS_STATUS_FAILURE;
	return 0;
}

/**
 * rndis_filter_release() - free the requests that the host has never answered
 * @nv: the device
 *
 * Context: process, configuration path; the channel is closed, and no request
 * is under way.
 */
void rndis_filter_release(struct netvsc *nv)
{
	rndis_request_reap(nv, true);
}

/* A QUERY or SET with @len zero bytes of information [3.2, D8] */
static struct rndis_request *rndis_request_oid(u32 type, u32 oid, u32 len)
{
	struct rndis_request *req;
	struct rndis_query *msg;

	req = rndis_request_new(type, sizeof(*msg) + len);
	if (!req)
		return NULL;
	msg = page_address(req->page);
	msg->oid = cpu_to_le32(oid);
	msg->info_len = cpu_to_le32(len);
	msg->info_offset = cpu_to_le32(sizeof(*msg) - RNDIS_OFFSET_BASE);
	return req;
}

/* The information of a request that rndis_request_oid() made */
static void *rndis_request_info(const struct rndis_request *req)
{
	return page_address(req->page) + sizeof(struct rndis_query);
}

/*
 * Asks for @oid, with @len bytes of @info as input, and copies the answer over
 * @info, up to its @size bytes and with zeroes behind.
 *
 * Return: length of the answer, which may be above @size; 0 if the host refuses
 * or makes no sense. Negative if it does not answer at all.
 */
static int rndis_query_with(struct netvsc *nv, u32 oid, void *info, u32 len, u32 size)
{
	const struct rndis_reply *answer;
	struct rndis_request *req;
	int ret;

	req = rndis_request_oid(RNDIS_QUERY, oid, len);
	if (!req)
		return -ENOMEM;
	memcpy(rndis_request_info(req), info, len);
	ret = rndis_exchange(nv, req);
	if (ret)
		goto put;
	memset(info, 0, size);
	answer = &req->answer;
	if (answer->status == RNDIS_STATUS_SUCCESS) {
		memcpy(info, req->reply + answer->info_offset,
		       min(size, answer->info_len));
		ret = answer->info_len;
	}
put:
	rndis_request_put(nv, req);
	return ret;
}

static int rndis_query(struct netvsc *nv, u32 oid, void *info, u32 size)
{
	return rndis_query_with(nv, oid, info, 0, size);
}

/* 1 if the host said a number, 0 if it did not, or negative */
static int rndis_query_u32(struct netvsc *nv, u32 oid, u32 *value)
{
	__le32 word;
	int len;

	len = rndis_query(nv, oid, &word, sizeof(word));
	if (len < 0)
		return len;
	if (len < sizeof(word))
		return 0;
	*value = le32_to_cpu(word);
	return 1;
}

/* Sends a SET that rndis_request_oid() made, and takes it over */
static int rndis_set(struct netvsc *nv, struct rndis_request *req, u32 *status)
{
	int err;

	err = rndis_exchange(nv, req);
	*status = req->answer.status;
	rndis_request_put(nv, req);
	return err;
}

/* INITIALIZE C with all that follows the status [3.2, 6.1] */
static int rndis_take_limits(struct nvsp_session *sess,
			     const struct rndis_initialize_c *c)
{
	u32 factor = le32_to_cpu(c->alignment_factor);

	if (le32_to_cpu(c->major) != RNDIS_MAJOR_VERSION)
		return -EPROTO;
	if (factor > RNDIS_ALIGN_FACTOR_MAX)
		return -EINVAL;
	sess->align = 1u << factor;
	sess->max_packets = clamp(le32_to_cpu(c->max_packets), 1u,
				  (u32)RNDIS_PACKETS_MAX);
	sess->max_transfer = le32_to_cpu(c->max_transfer);
	return 0;
}

static int rndis_initialize(struct netvsc *nv)
{
	struct rndis_initialize *msg;
	struct rndis_request *req;
	int err;

	req = rndis_request_new(RNDIS_INITIALIZE, sizeof(*msg));
	if (!req)
		return -ENOMEM;
	msg = page_address(req->page);
	msg->major = cpu_to_le32(RNDIS_MAJOR_VERSION);
	msg->minor = cpu_to_le32(RNDIS_MINOR_VERSION);
	msg->max_transfer = cpu_to_le32(RNDIS_MAX_TRANSFER);

	err = rndis_exchange(nv, req);
	if (!err && req->answer.status != RNDIS_STATUS_SUCCESS)
		err = -EINVAL;
	if (!err)
		err = rndis_take_limits(&nv->sess, (const void *)req->reply);
	rndis_request_put(nv, req);
	return err;
}

static int rndis_query_frame_max(struct netvsc *nv)
{
	u32 value;
	int ret;

	ret = rndis_query_u32(nv, OID_MAX_FRAME_SIZE, &value);
	if (ret < 0)
		return ret;
	if (ret && value >= NETVSC_MTU_MIN)
		nv->sess.frame_max = min_t(u32, value, NETVSC_MTU_MAX);
	else
		nv->sess.frame_max = nv->cfg.mtu;
	return 0;
}

static int rndis_query_mac(struct netvsc *nv)
{
	u8 mac[ETH_ALEN] __aligned(2);
	int len;

	len = rndis_query(nv, OID_PERMANENT_ADDRESS, mac, sizeof(mac));
	if (len < 0)
		return len;
	if (len != sizeof(mac) || !is_valid_ether_addr(mac))
		return -EINVAL;
	ether_addr_copy(nv->sess.mac, mac);
	return 0;
}

static int rndis_query_name(struct netvsc *nv)
{
	wchar_t utf16[NDIS_FRIENDLY_NAME_BYTES / sizeof(wchar_t)];
	char *name = nv->sess.name;
	int len;

	if (nv->registered)	/* the user may have given another since */
		return 0;
	len = rndis_query(nv, OID_FRIENDLY_NAME, utf16, sizeof(utf16));
	if (len < 0)
		return len;
	len = min_t(int, len, sizeof(utf16)) / sizeof(*utf16);
	len = utf16s_to_utf8s(utf16, len, UTF16_LITTLE_ENDIAN, name,
			      sizeof(nv->sess.name) - 1);
	name[len] = '\0';
	if (!strcmp(name, RNDIS_NAME_NONE))
		name[0] = '\0';
	return 0;
}

static bool rndis_has(__le32 flags, u32 wanted)
{
	return (le32_to_cpu(flags) & wanted) == wanted;
}

/* The longest frame that the host segments; 0: none that is longer than a usual one.
 * Whatever the MTU: the stack itself cuts what is longer, long segments or not.
 */
static u32 rndis_tso_max(const struct ndis_lso_caps *lso)
{
	u32 max = le32_to_cpu(lso->max_size);

	if (!rndis_has(lso->encapsulation, NDIS_ENCAPSULATION_8023) ||
	    max <= ETH_FRAME_LEN)
		return 0;
	return min_t(u32, max, GSO_LEGACY_MAX_SIZE);
}

/* What of [4.2] the driver can make use of; all zero in @caps means nothing */
static void rndis_take_offloads(struct netvsc *nv, const struct ndis_offload *caps)
{
	struct nvsp_session *sess = &nv->sess;
	__le32 ipv4 = caps->ipv4_tx.flags, ipv6 = caps->ipv6_tx.flags;

	sess->csum = 0;
	sess->tso4_max = 0;
	sess->tso6_max = 0;
	/* an older host could not be told to [4.3] */
	sess->rsc = sess->version >= NVSP_VERSION_5 && caps->rsc_v4 &&
		    caps->rsc_v6;
	if (rndis_has(ipv4, NDIS_CSUM_TCP | NDIS_CSUM_TCP_OPTIONS)) {
		sess->csum |= NETVSC_CSUM_TCP4;
		if (rndis_has(ipv4, NDIS_CSUM_UDP))
			sess->csum |= NETVSC_CSUM_UDP4;
		sess->tso4_max = rndis_tso_max(&caps->lso_v4);
	}
	if (rndis_has(ipv6, NDIS_CSUM_TCP | NDIS_CSUM_TCP_OPTIONS |
			    NDIS_CSUM_IP_OPTIONS)) {
		sess->csum |= NETVSC_CSUM_TCP6;
		if (rndis_has(ipv6, NDIS_CSUM_UDP))
			sess->csum |= NETVSC_CSUM_UDP6;
		if (rndis_has(caps->lso_v6_flags, NDIS_LSO_V6_EXT_HEADERS |
						  NDIS_LSO_V6_TCP_OPTIONS))
			sess->tso6_max = rndis_tso_max(&caps->lso_v6);
	}
}

/* Header of the question; its length is what a host of this version knows [4.2] */
static u32 rndis_offload_question(u32 version, struct ndis_object *hdr)
{
	u32 size;

	hdr->type = NDIS_OBJECT_OFFLOAD;
	if (version >= NVSP_VERSION_5) {
		hdr->revision = 3;
		size = NDIS_OFFLOAD_SIZE_3;
	} else if (version >= NVSP_VERSION_4) {
		hdr->revision = 2;
		size = NDIS_OFFLOAD_SIZE_2;
	} else {
		hdr->revision = 1;
		size = NDIS_OFFLOAD_SIZE_1;
	}
	hdr->size = cpu_to_le16(size);
	return size;
}

static int rndis_query_offloads(struct netvsc *nv)
{
	struct ndis_offload caps = {};
	u32 size;
	int len;

	size = rndis_offload_question(nv->sess.version, &caps.hdr);
	len = rndis_query_with(nv, OID_OFFLOAD_HW_CAPS, &caps, size, sizeof(caps));
	if (len < 0)
		return len;
	size = le16_to_cpu(caps.hdr.size);
	if (caps.hdr.type != NDIS_OBJECT_OFFLOAD || !caps.hdr.revision ||
	    size < NDIS_OFFLOAD_SIZE_1 || size > len)
		size = 0;
	if (size < sizeof(caps))
		memset((void *)&caps + size, 0, sizeof(caps) - size);
	rndis_take_offloads(nv, &caps);
	return 0;
}

static u8 rndis_csum_param(const struct netvsc *nv, u32 csum)
{
	return nv->sess.csum & csum ? NDIS_CSUM_BOTH : NDIS_PARAM_NO_CHANGE;
}

static u8 rndis_rsc_param(const struct netvsc *nv, bool on)
{
	if (!nv->sess.rsc)
		return NDIS_PARAM_NO_CHANGE;
	return on ? NDIS_OFFLOAD_ON : NDIS_OFFLOAD_OFF;
}

/* Offload parameters [4.3]; their header is filled in here */
static int rndis_set_offloads(struct netvsc *nv, struct ndis_offload_params *params)
{
	u32 size = nv->sess.version < NVSP_VERSION_5 ?
		   NDIS_OFFLOAD_PARAMS_SIZE_OLD : sizeof(*params);
	struct rndis_request *req;
	u32 status;
	int err;

	params->hdr.type = NDIS_OBJECT_DEFAULT;
	params->hdr.revision = NDIS_OFFLOAD_PARAMS_REVISION;
	params->hdr.size = cpu_to_le16(size);
	req = rndis_request_oid(RNDIS_SET, OID_OFFLOAD_PARAMS, size);
	if (!req)
		return -ENOMEM;
	memcpy(rndis_request_info(req), params, size);
	err = rndis_set(nv, req, &status);
	if (err || status == RNDIS_STATUS_SUCCESS)
		return err;
	netdev_err(nv->ndev, "Fail to set offload on host side:0x%x\n", status);
	return -EINVAL;
}

/* All that the host is to do, and to leave */
static int rndis_tell_offloads(struct netvsc *nv)
{
	const struct nvsp_session *sess = &nv->sess;
	struct ndis_offload_params params = {
		.ipv4_csum = NDIS_CSUM_OFF,
		.tcp_v4_csum = rndis_csum_param(nv, NETVSC_CSUM_TCP4),
		.tcp_v6_csum = rndis_csum_param(nv, NETVSC_CSUM_TCP6),
		.lso_v4 = sess->tso4_max ? NDIS_OFFLOAD_ON : NDIS_PARAM_NO_CHANGE,
		.lso_v6 = sess->tso6_max ? NDIS_OFFLOAD_ON : NDIS_PARAM_NO_CHANGE,
	};

	if (sess->version >= NVSP_VERSION_5) {
		params.udp_v4_csum = rndis_csum_param(nv, NETVSC_CSUM_UDP4);
		params.udp_v6_csum = rndis_csum_param(nv, NETVSC_CSUM_UDP6);
		params.rsc_v4 = rndis_rsc_param(nv, nv->cfg.features & NETIF_F_LRO);
		params.rsc_v6 = params.rsc_v4;
	}
	return rndis_set_offloads(nv, &params);
}

/* Refused offloads are done without: no packet asks the host for them then. Those
 * that are older than coalescing may not be lost with it.
 */
static int rndis_connect_offloads(struct netvsc *nv)
{
	static const struct ndis_offload nothing;
	int err;

	err = rndis_query_offloads(nv);
	if (err)
		return err;
	err = rndis_tell_offloads(nv);
	if (err == -EINVAL && nv->sess.rsc) {
		nv->sess.rsc = false;
		err = rndis_tell_offloads(nv);
	}
	if (err != -EINVAL)
		return err;
	rndis_take_offloads(nv, &nothing);
	return 0;
}

static int rndis_query_media(struct netvsc *nv)
{
	u32 news = READ_ONCE(nv->link.news);
	u32 value = NDIS_MEDIA_CONNECTED;
	unsigned long flags;
	int ret;

	ret = rndis_query_u32(nv, OID_MEDIA_CONNECT_STATUS, &value);
	if (ret < 0)
		return ret;
	spin_lock_irqsave(&nv->xact_lock, flags);
	if (nv->link.news == news)
		WRITE_ONCE(nv->link.up, value == NDIS_MEDIA_CONNECTED);
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	return 0;
}

static u32 rndis_mbit(u32 speed)
{
	return speed / (1000000 / NDIS_LINK_SPEED_UNIT);
}

static int rndis_query_link(struct netvsc *nv)
{
	u32 speed;
	int ret;

	ret = rndis_query_media(nv);
	if (ret < 0)
		return ret;
	if (nv->sess.version < NVSP_VERSION_5) {
		WRITE_ONCE(nv->link.speed, SPEED_UNKNOWN);
		return 0;
	}
	ret = rndis_query_u32(nv, OID_LINK_SPEED, &speed);
	if (ret < 0)
		return ret;
	WRITE_ONCE(nv->link.speed, ret ? rndis_mbit(speed) : SPEED_UNKNOWN);
	return 0;
}

/* Receive scale capabilities [4.4, D14]; 0 queues: the host said nothing useful */
static u32 rndis_take_rss_caps(const struct ndis_rss_caps *caps, u32 len, u32 *entries)
{
	u32 size = le16_to_cpu(caps->hdr.size);

	if (len < NDIS_RSS_CAPS_SIZE_1 || caps->hdr.type != NDIS_OBJECT_RSS_CAPS ||
	    size < NDIS_RSS_CAPS_SIZE_1 || size > len)
		return 0;
	*entries = 0;
	if (size >= NDIS_RSS_CAPS_SIZE_2)
		*entries = le16_to_cpu(caps->table_entries);
	if (!*entries || *entries > NETVSC_RSS_TABLE_MAX)
		*entries = NETVSC_RSS_TABLE_DEFAULT;
	return le32_to_cpu(caps->queues);
}

/* How many channels the host may grant, and how long its indirection table is
 * [4.4]. One that cannot say has one channel.
 */
static int rndis_query_rss(struct netvsc *nv)
{
	struct ndis_rss_caps caps = {
		.hdr.type = NDIS_OBJECT_RSS_CAPS,
		.hdr.revision = 2,
		.hdr.size = cpu_to_le16(NDIS_RSS_CAPS_SIZE_2),
	};
	u32 queues, entries;
	int len;

	nv->sess.max_channels = 1;
	nv->sess.rss_entries = 0;
	if (nv->sess.version < NVSP_VERSION_5)
		return 0;
	len = rndis_query_with(nv, OID_RSS_CAPS, &caps, NDIS_RSS_CAPS_SIZE_2,
			       sizeof(caps));
	if (len < 0)
		return len;
	queues = rndis_take_rss_caps(&caps, len, &entries);
	if (queues < 2)
		return 0;
	nv->sess.max_channels = min_t(u32, queues, NETVSC_CHANNELS_MAX);
	nv->sess.rss_entries = entries;
	return 0;
}

/**
 * rndis_filter_connect() - bring up RNDIS and learn what the host can do
 * @nv: the device; NVSP is negotiated, and the buffers are shared
 *
 * Fills what of nv->sess is not netvsc.c's, and nv->link, and sets the offloads
 * of nv->cfg [3.8, 5.1]. A host without a valid permanent address, or one that
 * leaves something unanswered, is an error; without the rest one can do.
 *
 * Context: process, configuration path; waits until the deadline.
 * Return: 0 or a negative errno.
 */
int rndis_filter_connect(struct netvsc *nv)
{
	static int (*const steps[])(struct netvsc *nv) = {
		rndis_initialize,
		rndis_query_frame_max,
		rndis_query_mac,
		rndis_query_name,
		rndis_connect_offloads,
		rndis_query_link,
		rndis_query_rss,
	};
	int i, err;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = steps[i](nv);
		if (err)
			return err;
	}
	return 0;
}

/**
 * rndis_filter_halt() - tell the host that RNDIS is over
 * @nv: the device; the channel will be closed
 *
 * There is no answer [3.1], but it has to be out of the way before the buffers
 * are revoked [2.12].
 *
 * Context: process, configuration path; may wait for room on the ring.
 */
void rndis_filter_halt(struct netvsc *nv)
{
	struct rndis_request *req;

	req = rndis_request_new(RNDIS_HALT, sizeof(struct rndis_halt));
	if (!req)
		return;
	if (!rndis_request_send(nv, req))
		nvsp_wait(nv, &req->xact.done);
	rndis_request_put(nv, req);
}

/**
 * rndis_filter_answer_keepalive() - tell the host that the guest is alive [3.2]
 * @nv: the device, in a session
 *
 * Nobody waits for it: a host that does not get it has asked too often.
 *
 * Context: process, RTNL; may wait for room on the ring.
 */
void rndis_filter_answer_keepalive(struct netvsc *nv)
{
	struct rndis_request *req;

	req = rndis_request_new(RNDIS_KEEPALIVE | RNDIS_COMPLETION,
				sizeof(struct rndis_set_c));
	if (!req)
		return;
	req->id = READ_ONCE(nv->keepalive_id);
	nvsp_set_deadline(nv);
	rndis_request_send(nv, req);
	rndis_request_put(nv, req);
}

/**
 * rndis_filter_set_rsc() - tell the host whether to coalesce received segments
 * @nv: the device
 * @on: it shall, if it can
 *
 * Its other offloads stay as they are.
 *
 * Context: process, configuration path; waits until the deadline.
 * Return: 0, -EINVAL if the host refuses, or another error.
 */
int rndis_filter_set_rsc(struct netvsc *nv, bool on)
{
	struct ndis_offload_params params = {
		.rsc_v4 = rndis_rsc_param(nv, on),
		.rsc_v6 = rndis_rsc_param(nv, on),
	};

	return rndis_set_offloads(nv, &params);
}

/* Receive scale parameters with @entries of @rss [4.5] */
static void rndis_fill_rss(struct ndis_rss_params *params, u16 flags,
			   const struct netvsc_rss *rss, u32 entries)
{
	u32 table_bytes = entries * sizeof(__le32);
	__le32 *table = (void *)(params + 1);
	u32 i;

	params->hdr.type = NDIS_OBJECT_RSS_PARAMS;
	params->hdr.revision = 2;
	params->hdr.size = cpu_to_le16(sizeof(*params));
	params->flags = cpu_to_le16(flags);
	params->hash_info = cpu_to_le32(NDIS_HASH_TOEPLITZ |
					NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4 |
					NDIS_HASH_IPV6 | NDIS_HASH_TCP_IPV6);
	params->table_bytes = cpu_to_le16(table_bytes);
	params->table_offset = cpu_to_le32(sizeof(*params));
	params->key_bytes = cpu_to_le16(NETVSC_HASH_KEY_LEN);
	params->key_offset = cpu_to_le32(sizeof(*params) + table_bytes);
	for (i = 0; i < entries; i++)
		table[i] = cpu_to_le32(rss->table[i]);
	memcpy(table + entries, rss->key, NETVSC_HASH_KEY_LEN);
}

static int rndis_set_rss(struct netvsc *nv, u16 flags, const struct netvsc_rss *rss,
			 u32 *status)
{
	u32 entries = nv->sess.rss_entries;
	struct rndis_request *req;

	req = rndis_request_oid(RNDIS_SET, OID_RSS_PARAMS,
				sizeof(struct ndis_rss_params) +
				entries * sizeof(__le32) + NETVSC_HASH_KEY_LEN);
	if (!req)
		return -ENOMEM;
	rndis_fill_rss(rndis_request_info(req), flags, rss, entries);
	return rndis_set(nv, req, status);
}

/**
 * rndis_filter_set_rss() - tell the host how to spread received flows
 * @nv: the device
 * @rss: key and table; the first sess.rss_entries of it, all of open channels
 *
 * Hosts may refuse to change what is in use: it is disabled first, and it does
 * not matter whether they do that [4.5, 5.10]. With a single queue there is
 * nothing to tell.
 *
 * Context: process, configuration path; waits until the deadline.
 * Return: 0, -EINVAL if the host refuses, or another error.
 */
int rndis_filter_set_rss(struct netvsc *nv, const struct netvsc_rss *rss)
{
	u32 status;
	int err;

	if (!nv->sess.rss_entries)
		return 0;
	err = rndis_set_rss(nv, NDIS_RSS_FLAG_DISABLE, rss, &status);
	if (err)
		return err;
	err = rndis_set_rss(nv, 0, rss, &status);
	if (err || status == RNDIS_STATUS_SUCCESS)
		return err;
	netdev_err(nv->ndev, "Fail to set RSS parameters:0x%x\n", status);
	return -EINVAL;
}

/**
 * rndis_filter_set_filter() - tell the host which frames to deliver
 * @nv: the device
 * @filter: NDIS_FILTER_*; 0: none
 *
 * Context: process, configuration path; waits until the deadline.
 * Return: 0, -EIO if the host refuses, or another error.
 */
int rndis_filter_set_filter(struct netvsc *nv, u32 filter)
{
	struct rndis_request *req;
	__le32 *info;
	u32 status;
	int err;

	req = rndis_request_oid(RNDIS_SET, OID_PACKET_FILTER, sizeof(*info));
	if (!req)
		return -ENOMEM;
	info = rndis_request_info(req);
	*info = cpu_to_le32(filter);
	err = rndis_set(nv, req, &status);
	if (!err && status != RNDIS_STATUS_SUCCESS)
		err = -EIO;
	return err;
}

static void *rndis_put_utf16(void *to, const char *ascii, u32 chars)
{
	__le16 *unit = to;
	u32 i;

	for (i = 0; i < chars; i++)
		unit[i] = cpu_to_le16(ascii[i]);
	return unit + chars;
}

/**
 * rndis_filter_set_mac() - tell the host which address the interface has
 * @nv: the device
 * @mac: valid unicast address
 *
 * A configuration parameter [4.6]: its name, and the address as hex digits.
 *
 * Context: process, configuration path; waits until the deadline.
 * Return: 0, -EIO if the host refuses, or another error.
 */
int rndis_filter_set_mac(struct netvsc *nv, const u8 *mac)
{
	const u32 name_len = strlen(RNDIS_MAC_NAME);
	const u32 name_bytes = name_len * sizeof(__le16);
	const u32 value_bytes = RNDIS_MAC_DIGITS * sizeof(__le16);
	char digits[RNDIS_MAC_DIGITS + 1];
	struct rndis_config_param *param;
	struct rndis_request *req;
	u32 status;
	int err;

	req = rndis_request_oid(RNDIS_SET, OID_RNDIS_CONFIG_PARAM,
				sizeof(*param) + name_bytes + value_bytes);
	if (!req)
		return -ENOMEM;
	param = rndis_request_info(req);
	param->name_offset = cpu_to_le32(sizeof(*param));
	param->name_bytes = cpu_to_le32(name_bytes);
	param->type = cpu_to_le32(RNDIS_CONFIG_STRING);
	param->value_offset = cpu_to_le32(sizeof(*param) + name_bytes);
	param->value_bytes = cpu_to_le32(value_bytes);
	snprintf(digits, sizeof(digits), "%pm", mac);
	rndis_put_utf16(rndis_put_utf16(param + 1, RNDIS_MAC_NAME, name_len),
			digits, RNDIS_MAC_DIGITS);

	err = rndis_set(nv, req, &status);
	if (!err && status != RNDIS_STATUS_SUCCESS)
		err = -EIO;
	return err;
}

/* A completion: to the request that waits for it. False if there is none. */
static bool rndis_receive_reply(struct netvsc *nv, u32 type, const void *msg, u32 len)
{
	const struct rndis_set_c *c = msg;
	struct rndis_request *req;
	unsigned long flags;
	bool found = false;
	u32 id;

	if (len < sizeof(*c))
		return false;
	id = get_unaligned_le32(&c->id);
	len = min_t(u32, len, sizeof(req->reply));

	spin_lock_irqsave(&nv->xact_lock, flags);
	list_for_each_entry(req, &nv->requests, node) {
		if (req->id != id || req->completion != type || req->answered ||
		    req->abandoned)
			continue;
		/* the only look at it: the copy is checked when it is parsed */
		memcpy(req->reply, msg, len);
		req->reply_len = len;
		req->answered = true;
		complete(&req->replied);
		found = true;
		break;
	}
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	return found;
}

static void rndis_link_news(struct netvsc *nv, bool up)
{
	unsigned long flags;

	spin_lock_irqsave(&nv->xact_lock, flags);
	nv->link.news++;
	WRITE_ONCE(nv->link.up, up);
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

/* Only the last news counts: the event work takes what is there [3.7, 5.9] */
static bool rndis_receive_event(struct netvsc *nv, const void *msg, u32 len)
{
	struct rndis_event event;

	if (rndis_msg_parse_event(msg, len, &event))
		return false;
	switch (event.status) {
	case RNDIS_STATUS_MEDIA_CONNECT:
		rndis_link_news(nv, true);
		netvsc_post_event(nv, NETVSC_EVENT_LINK);
		break;
	case RNDIS_STATUS_MEDIA_DISCONNECT:
		rndis_link_news(nv, false);
		fallthrough;
	case RNDIS_STATUS_NETWORK_CHANGE:
		set_bit(NETVSC_EVENT_FLAP, &nv->events);
		netvsc_post_event(nv, NETVSC_EVENT_LINK);
		break;
	case RNDIS_STATUS_LINK_SPEED:
		if (event.has_value)
			WRITE_ONCE(nv->link.speed, rndis_mbit(event.value));
		break;
	}
	return true;
}

/* Nothing here may wait for room on the ring: the event work answers */
static bool rndis_receive_keepalive(struct netvsc *nv, const void *msg, u32 len)
{
	const struct rndis_halt *keepalive = msg;

	if (len < sizeof(*keepalive))
		return false;
	WRITE_ONCE(nv->keepalive_id, get_unaligned_le32(&keepalive->id));
	netvsc_post_event(nv, NETVSC_EVENT_KEEPALIVE);
	return true;
}

/* msglvl rx_status: what a control message says, each word read once */
static void rndis_dump(const struct netvsc *nv, u32 type, const void *msg, u32 len)
{
	const struct rndis_hdr *hdr = msg;
	__le32 word[2] = {};	/* id and status, but of INDICATE its status first */
	u32 bytes;

	/* the host may have written to it since it was checked */
	bytes = clamp_t(u32, get_unaligned_le32(&hdr->len), sizeof(*hdr), len);
	memcpy(word, hdr + 1, min(bytes - sizeof(*hdr), sizeof(word)));
	if (type == RNDIS_INDICATE)
		netdev_dbg(nv->ndev, "RNDIS type %#x, length %u, status %#x\n",
			   type, bytes, le32_to_cpu(word[0]));
	else
		netdev_dbg(nv->ndev, "RNDIS type %#x, length %u, id %u, status %#x\n",
			   type, bytes, le32_to_cpu(word[0]),
			   le32_to_cpu(word[1]));
}

/**
 * rndis_filter_receive() - take a control message of the host
 * @ch: the channel that it came on; only the primary has any
 * @msg: the message, in memory that the host may write to meanwhile
 * @len: bytes of it that are there (the range's)
 *
 * Context: NAPI of @ch. Takes nv->xact_lock.
 * Return: the message was understood, and somebody wanted it.
 */
bool rndis_filter_receive(struct netvsc_chan *ch, const void *msg, u32 len)
{
	u32 type;

	if (ch->index || rndis_msg_type(msg, len, &type))
		return false;
	if (unlikely(netif_msg_rx_status(ch->nv)))
		rndis_dump(ch->nv, type, msg, len);
	if (type == RNDIS_INDICATE)
		return rndis_receive_event(ch->nv, msg, len);
	if (type == RNDIS_KEEPALIVE)
		return rndis_receive_keepalive(ch->nv, msg, len);
	if (type & RNDIS_COMPLETION)
		return rndis_receive_reply(ch->nv, type, msg, len);
	return false;
}
