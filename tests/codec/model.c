// SPDX-License-Identifier: GPL-2.0-only
/*
 * The codec once more, as the protocol says it: on private bytes, with sums that
 * cannot wrap, and no thought of speed.
 */
#include "codec.h"

/* Is [from, from + n) inside of [low, len)? */
static bool inside(u64 from, u64 n, u64 low, u64 len)
{
	return from >= low && from + n <= len;
}

int model_type(const u8 *bytes, u64 len, u32 *type)
{
	if (!inside(0, 8, 0, len) || !inside(0, get32(bytes, 4), 0, len) ||
	    get32(bytes, 4) < 8)
		return -EMSGSIZE;
	*type = get32(bytes, 0);
	return 0;
}

static u32 model_csum(u32 word)
{
	for (int i = 0; i < 3; i++)
		if (word & 1 << i && word & 8 << i)
			return 0;
	return word & 0x1ff;
}

static void model_info(u32 type, u32 word, struct rndis_rx_desc *desc)
{
	switch (type) {
	case 0:
		desc->csum = model_csum(word);
		desc->infos |= RNDIS_INFO_CSUM;
		break;
	case 6:
		desc->vlan_tci = (word & 7) << 13 | (word >> 3 & 1) << 12 |
				 (word >> 4 & 0xfff);
		desc->infos |= RNDIS_INFO_VLAN;
		break;
	case 8:
		desc->hash = word;
		desc->infos |= RNDIS_INFO_HASH;
		break;
	case 0x80000001:
		desc->packet_id = word & 0x700;
		desc->infos |= RNDIS_INFO_PACKET_ID;
		break;
	}
}

static bool known(u32 type)
{
	return type == 0 || type == 6 || type == 8 || type == 0x80000001;
}

int model_parse(const u8 *bytes, u64 len, struct rndis_rx_desc *desc)
{
	u64 data, data_len, at, end;

	if (len < 44 || get32(bytes, 4) < 44 || get32(bytes, 4) > len)
		return -EMSGSIZE;
	data = 8 + (u64)get32(bytes, 8);
	data_len = get32(bytes, 12);
	if (!inside(data, data_len, 44, len))
		return -EMSGSIZE;
	if (!data_len)
		return -EBADMSG;
	desc->data_offset = data;
	desc->data_len = data_len;
	desc->infos = 0;
	if (!get32(bytes, 28))
		return 0;

	at = 8 + (u64)get32(bytes, 28);
	end = at + get32(bytes, 32);
	if (!inside(at, end - at, 44, len) || end - at > 1024)
		return -EMSGSIZE;
	while (at < end) {
		u64 size, offset;

		if (end - at < 12)
			return -EBADMSG;
		size = get32(bytes, at);
		if (size < 12 || size % 4 || at + size > end)
			return -EBADMSG;
		offset = get32(bytes, at + 8);
		if (known(get32(bytes, at + 4))) {
			if (!inside(offset, 4, 12, size))
				return -EBADMSG;
			model_info(get32(bytes, at + 4),
				   get32(bytes, at + offset), desc);
		}
		at += size;
	}
	return 0;
}

int model_reply(const u8 *bytes, u64 len, struct rndis_reply *reply)
{
	u64 own, min, info, info_len;

	if (len < 16)
		return -EMSGSIZE;
	reply->type = get32(bytes, 0);
	own = get32(bytes, 4);
	switch (reply->type) {
	case 0x80000002:
		min = 44;
		break;
	case 0x80000004:
		min = 24;
		break;
	case 0x80000005:
	case 0x80000008:
		min = 16;
		break;
	default:
		return -EBADMSG;
	}
	if (own < min || own > len)
		return -EMSGSIZE;
	reply->id = get32(bytes, 8);
	reply->status = get32(bytes, 12);
	reply->info_len = 0;
	reply->info_offset = 0;
	if (reply->type != 0x80000004 || !get32(bytes, 16))
		return 0;
	info_len = get32(bytes, 16);
	info = 8 + (u64)get32(bytes, 20);
	if (!inside(info, info_len, 24, own))
		return -EMSGSIZE;
	reply->info_len = info_len;
	reply->info_offset = info;
	return 0;
}

int model_event(const u8 *bytes, u64 len, struct rndis_event *event)
{
	u64 value, value_len;

	if (len < 20)
		return -EMSGSIZE;
	event->status = get32(bytes, 8);
	value_len = get32(bytes, 12);
	value = 8 + (u64)get32(bytes, 16);
	event->has_value = value_len >= 4 && inside(value, value_len, 20, len);
	if (event->has_value)
		event->value = get32(bytes, value);
	return 0;
}
