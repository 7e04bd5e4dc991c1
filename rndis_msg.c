// SPDX-License-Identifier: GPL-2.0-only
/*
 * The RNDIS codec; rndis_msg.h says what it does. Numbers in brackets name the
 * sections of the protocol reference.
 *
 * Received messages lie in memory that the host can write to at any time. So
 * every word is fetched once, into a register, and only that value is checked
 * and used.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/byteorder.h>

#include "rndis_msg.h"

/* 802.1Q's tag control information */
#define TCI_PRIO	GENMASK(15, 13)
#define TCI_DEI		BIT(12)
#define TCI_VID		GENMASK(11, 0)

#define RX_CSUM_BAD	(RNDIS_RX_CSUM_TCP_BAD | RNDIS_RX_CSUM_UDP_BAD | \
			 RNDIS_RX_CSUM_IP_BAD)
#define RX_CSUM_KNOWN	(RX_CSUM_BAD | RX_CSUM_BAD << 3 | \
			 RNDIS_RX_CSUM_LOOPBACK | RNDIS_RX_CSUM_TCP_INVALID | \
			 RNDIS_RX_CSUM_IP_INVALID)

/* The lowest data_offset and ppi_offset: what follows the PACKET header */
#define PACKET_BODY	(sizeof(struct rndis_packet) - RNDIS_OFFSET_BASE)

/* Fetches a word that the compiler shall not fetch again. It may be unaligned. */
static __always_inline u32 rndis_fetch(const void *from)
{
	__le32 word;

	memcpy(&word, from, sizeof(word));
	OPTIMIZER_HIDE_VAR(word);
	return le32_to_cpu(word);
}

int rndis_msg_type(const void *msg, u32 len, u32 *type)
{
	const struct rndis_hdr *hdr = msg;
	u32 own;

	if (len < sizeof(*hdr))
		return -EMSGSIZE;
	own = rndis_fetch(&hdr->len);
	if (own < sizeof(*hdr) || own > len)
		return -EMSGSIZE;
	*type = rndis_fetch(&hdr->type);
	return 0;
}

/* Checksums that are good and bad at once have not been checked [6.1] */
static u32 rndis_rx_csum(u32 word)
{
	u32 good = word >> 3;

	return word & good & RX_CSUM_BAD ? 0 : word & RX_CSUM_KNOWN;
}

static u16 rndis_vlan_to_tci(u32 word)
{
	return FIELD_PREP(TCI_PRIO, FIELD_GET(RNDIS_VLAN_PRIO, word)) |
	       FIELD_PREP(TCI_DEI, FIELD_GET(RNDIS_VLAN_DEI, word)) |
	       FIELD_PREP(TCI_VID, FIELD_GET(RNDIS_VLAN_ID, word));
}

static u32 rndis_tci_to_vlan(u16 tci)
{
	return FIELD_PREP(RNDIS_VLAN_PRIO, FIELD_GET(TCI_PRIO, tci)) |
	       FIELD_PREP(RNDIS_VLAN_DEI, FIELD_GET(TCI_DEI, tci)) |
	       FIELD_PREP(RNDIS_VLAN_ID, FIELD_GET(TCI_VID, tci));
}

/* The data of an info whose @size is checked; false if it is not inside */
static __always_inline bool rndis_info_word(const struct rndis_ppi *ppi, u32 size,
					    u32 *word)
{
	u32 offset = rndis_fetch(&ppi->offset);

	if (offset < sizeof(*ppi) || (u64)offset + sizeof(*word) > size)
		return false;
	*word = rndis_fetch((const u8 *)ppi + offset);
	return true;
}

/* One info. The last of a type wins; the types not named here are skipped. */
static __always_inline int rndis_parse_info(const struct rndis_ppi *ppi, u32 size,
					    struct rndis_rx_desc *desc)
{
	u32 word;

	switch (rndis_fetch(&ppi->type)) {
	case RNDIS_PPI_CSUM:
		if (!rndis_info_word(ppi, size, &word))
			return -EBADMSG;
		desc->csum = rndis_rx_csum(word);
		desc->infos |= RNDIS_INFO_CSUM;
		break;
	case RNDIS_PPI_HASH:
		if (!rndis_info_word(ppi, size, &word))
			return -EBADMSG;
		desc->hash = word;
		desc->infos |= RNDIS_INFO_HASH;
		break;
	case RNDIS_PPI_VLAN:
		if (!rndis_info_word(ppi, size, &word))
			return -EBADMSG;
		desc->vlan_tci = rndis_vlan_to_tci(word);
		desc->infos |= RNDIS_INFO_VLAN;
		break;
	case RNDIS_PPI_PACKET_ID:
		if (!rndis_info_word(ppi, size, &word))
			return -EBADMSG;
		desc->packet_id = word & (RNDIS_PACKET_ID_FRAGMENT |
					  RNDIS_PACKET_ID_FIRST |
					  RNDIS_PACKET_ID_LAST);
		desc->infos |= RNDIS_INFO_PACKET_ID;
		break;
	}
	return 0;
}

/* Each turn takes at least the 12 bytes of a struct rndis_ppi from @rest */
static __always_inline int rndis_parse_infos(const void *infos, u32 rest,
					     struct rndis_rx_desc *desc)
{
	const struct rndis_ppi *ppi = infos;
	u32 size;

	while (rest) {
		if (rest < sizeof(*ppi))
			return -EBADMSG;
		size = rndis_fetch(&ppi->size);
		if (size < sizeof(*ppi) || size > rest || size % 4)
			return -EBADMSG;
		if (rndis_parse_info(ppi, size, desc))
			return -EBADMSG;
		ppi = (const void *)ppi + size;
		rest -= size;
	}
	return 0;
}

int rndis_msg_parse(const void *msg, u32 len, struct rndis_rx_desc *desc)
{
	const struct rndis_packet *packet = msg;
	u32 own, offset, infos, room;

	if (len < sizeof(*packet))
		return -EMSGSIZE;
	own = rndis_fetch(&packet->hdr.len);
	if (own < sizeof(*packet) || own > len)
		return -EMSGSIZE;

	room = len - RNDIS_OFFSET_BASE;
	offset = rndis_fetch(&packet->data_offset);
	desc->data_len = rndis_fetch(&packet->data_len);
	if (offset < PACKET_BODY || (u64)offset + desc->data_len > room)
		return -EMSGSIZE;
	if (!desc->data_len)
		return -EBADMSG;
	desc->data_offset = RNDIS_OFFSET_BASE + offset;

	desc->infos = 0;
	offset = rndis_fetch(&packet->ppi_offset);
	if (!offset)
		return 0;
	infos = rndis_fetch(&packet->ppi_len);
	if (offset < PACKET_BODY || (u64)offset + infos > room ||
	    infos > RNDIS_RX_INFOS_MAX)
		return -EMSGSIZE;
	return rndis_parse_infos(msg + RNDIS_OFFSET_BASE + offset, infos, desc);
}

static struct rndis_ppi_word *rndis_put_info(struct rndis_ppi_word *to, u32 type,
					     u32 data)
{
	to->ppi.size = cpu_to_le32(sizeof(*to));
	to->ppi.type = cpu_to_le32(type);
	to->ppi.offset = cpu_to_le32(sizeof(to->ppi));
	to->data = cpu_to_le32(data);
	return to + 1;
}

u32 rndis_msg_build(void *buf, const struct rndis_tx_desc *desc)
{
	struct rndis_packet *packet = buf;
	struct rndis_ppi_word *infos = buf + sizeof(*packet);
	struct rndis_ppi_word *end = infos;
	u32 infos_len;

	if (desc->infos & RNDIS_INFO_HASH)
		end = rndis_put_info(end, RNDIS_PPI_HASH, desc->hash);
	if (desc->infos & RNDIS_INFO_VLAN)
		end = rndis_put_info(end, RNDIS_PPI_VLAN,
				     rndis_tci_to_vlan(desc->vlan_tci));
	if (desc->infos & RNDIS_INFO_LSO)
		end = rndis_put_info(end, RNDIS_PPI_LSO, desc->lso);
	if (desc->infos & RNDIS_INFO_CSUM)
		end = rndis_put_info(end, RNDIS_PPI_CSUM, desc->csum);

	infos_len = (void *)end - (void *)infos;
	packet->hdr.type = cpu_to_le32(RNDIS_PACKET);
	packet->hdr.len = cpu_to_le32(sizeof(*packet) + infos_len +
				      desc->data_len + desc->pad);
	packet->data_offset = cpu_to_le32(PACKET_BODY + infos_len);
	packet->data_len = cpu_to_le32(desc->data_len);
	packet->oob_offset = 0;
	packet->oob_len = 0;
	packet->oob_count = 0;
	packet->ppi_offset = cpu_to_le32(infos_len ? PACKET_BODY : 0);
	packet->ppi_len = cpu_to_le32(infos_len);
	packet->vc_handle = 0;
	packet->reserved = 0;
	return sizeof(*packet) + infos_len;
}

/* Bytes of a completion up to the last field in use; 0: not a completion */
static u32 rndis_reply_min(u32 type)
{
	switch (type) {
	case RNDIS_INITIALIZE | RNDIS_COMPLETION:
		/* what follows is reserved; not all hosts send all of it */
		return offsetof(struct rndis_initialize_c, af_offset);
	case RNDIS_QUERY | RNDIS_COMPLETION:
		return sizeof(struct rndis_query_c);
	case RNDIS_SET | RNDIS_COMPLETION:
	case RNDIS_KEEPALIVE | RNDIS_COMPLETION:
		return sizeof(struct rndis_set_c);
	default:
		return 0;
	}
}

/* Without information its offset means nothing */
static int rndis_parse_info_range(const struct rndis_query_c *c, u32 own,
				  struct rndis_reply *reply)
{
	u32 offset = le32_to_cpu(c->info_offset);
	u32 len = le32_to_cpu(c->info_len);

	if (!len)
		return 0;
	if (offset < sizeof(*c) - RNDIS_OFFSET_BASE ||
	    (u64)offset + len > own - RNDIS_OFFSET_BASE)
		return -EMSGSIZE;
	reply->info_offset = RNDIS_OFFSET_BASE + offset;
	reply->info_len = len;
	return 0;
}

int rndis_msg_parse_reply(const void *msg, u32 len, struct rndis_reply *reply)
{
	const struct rndis_set_c *c = msg;
	u32 own, min;

	if (len < sizeof(*c))
		return -EMSGSIZE;
	own = le32_to_cpu(c->hdr.len);
	reply->type = le32_to_cpu(c->hdr.type);
	min = rndis_reply_min(reply->type);
	if (!min)
		return -EBADMSG;
	if (own < min || own > len)
		return -EMSGSIZE;

	reply->id = le32_to_cpu(c->id);
	reply->status = le32_to_cpu(c->status);
	reply->info_offset = 0;
	reply->info_len = 0;
	if (reply->type != (RNDIS_QUERY | RNDIS_COMPLETION))
		return 0;
	return rndis_parse_info_range(msg, own, reply);
}

int rndis_msg_parse_event(const void *msg, u32 len, struct rndis_event *event)
{
	const struct rndis_indicate *ind = msg;
	u32 offset, buf_len;

	if (len < sizeof(*ind))
		return -EMSGSIZE;
	event->status = rndis_fetch(&ind->status);
	event->has_value = false;
	buf_len = rndis_fetch(&ind->buf_len);
	offset = rndis_fetch(&ind->buf_offset);
	if (buf_len < sizeof(event->value) ||
	    offset < sizeof(*ind) - RNDIS_OFFSET_BASE ||
	    (u64)offset + buf_len > len - RNDIS_OFFSET_BASE)
		return 0;
	event->value = rndis_fetch(msg + RNDIS_OFFSET_BASE + offset);
	event->has_value = true;
	return 0;
}
