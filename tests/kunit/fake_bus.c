// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host to be scripted in the place of the VMBus; see fake_bus.h.
 */
#include <kunit/static_stub.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/vmalloc.h>

#include "../../netvsc.h"
#include "../../netvsc_config.h"
#include "../../netvsc_ethtool.h"
#include "../../netvsc_rx.h"
#include "../../netvsc_tx.h"
#include "../../netvsc_vmbus.h"
#include "../../rndis_filter.h"
#include "fake_bus.h"

#define FAKE_STATUS_REFUSED	0xc00000bb

static struct fake_chan *fake_chan(const struct vmbus_channel *chn)
{
	return container_of(chn, struct fake_chan, chn);
}

static bool fake_hits(u32 n, u32 at, u32 times)
{
	return at && n >= at && (!times || n - at < times);
}

/* Shall this call fail? 0 or a negative error */
static int fake_fails(struct fake_bus *bus, enum fake_call call)
{
	u32 n = ++bus->calls[call];
	u32 all = ++bus->all_calls;

	if (fake_hits(n, bus->fail_at[call], bus->fail_times[call]))
		return -(int)bus->fail_errno[call];
	if (fake_hits(all, bus->all_fail_at, bus->all_fail_times))
		return -(int)bus->all_fail_errno;
	return 0;
}

static struct fake_rule *fake_match(struct fake_bus *bus, u32 key, bool answer)
{
	struct fake_rule *rule;
	u32 i;

	for (i = 0; i < bus->nrules; i++) {
		rule = &bus->rules[i];
		if (rule->key != key && (rule->key != FAKE_ANY || !answer))
			continue;
		if (rule->skip) {
			rule->skip--;
			continue;
		}
		if (rule->times && rule->used >= rule->times)
			continue;
		rule->used++;
		return rule;
	}
	return NULL;
}

/* Rings */

static int fake_alloc_ring(struct vmbus_channel *chn, u32 bytes)
{
	struct fake_chan *fc = fake_chan(chn);
	int ret = fake_fails(fc->bus, FAKE_ALLOC_RING);

	if (ret)
		return ret;
	fc->ring = true;
	return 0;
}

static void fake_free_ring(struct vmbus_channel *chn)
{
	struct fake_chan *fc = fake_chan(chn);

	KUNIT_EXPECT_FALSE(fc->bus->test, fc->open);
	fc->ring = false;
}

static void fake_drop_packets(struct fake_chan *fc)
{
	struct fake_packet *pkt, *next;

	list_for_each_entry_safe(pkt, next, &fc->in, node)
		kfree(pkt);
	INIT_LIST_HEAD(&fc->in);
}

static void fake_chan_free(struct fake_chan *fc)
{
	fake_drop_packets(fc);
	kfree(fc->memory);
	kfree(fc);
}

/* The subchannels of a session that is over: the bus frees them */
static void fake_forget_offers(struct fake_bus *bus)
{
	u32 i;

	for (i = 0; i < bus->noffered; i++) {
		KUNIT_EXPECT_FALSE(bus->test, bus->offered[i]->ring);
		fake_chan_free(bus->offered[i]);
	}
	bus->noffered = 0;
}

static int fake_open(struct vmbus_channel *chn, void (*cb)(void *), void *ctx)
{
	struct fake_chan *fc = fake_chan(chn);
	struct fake_bus *bus = fc->bus;
	int ret = fake_fails(bus, FAKE_OPEN);

	KUNIT_EXPECT_TRUE(bus->test, fc->ring);
	KUNIT_EXPECT_FALSE(bus->test, fc->open);
	if (bus->rescinded || fc->rescinded)
		ret = -ENODEV;
	if (ret)
		return ret;
	if (fc == bus->primary)
		fake_forget_offers(bus);
	/* a signal before there is a ring */
	cb(ctx);
	fc->open = true;
	fc->cb = cb;
	fc->ctx = ctx;
	return 0;
}

static int fake_close(struct vmbus_channel *primary)
{
	struct fake_chan *fc = fake_chan(primary);
	struct fake_bus *bus = fc->bus;
	int ret = fake_fails(bus, FAKE_CLOSE);
	u32 i;

	KUNIT_EXPECT_TRUE(bus->test, fc->open);
	for (i = 0; i < bus->noffered; i++) {
		bus->offered[i]->open = false;
		bus->offered[i]->ring = false;
		fake_drop_packets(bus->offered[i]);
	}
	fc->open = false;
	fake_drop_packets(fc);
	bus->offer_cb = NULL;
	return ret;
}

/* Memory */

/* What is neither the host's nor lost can go */
static void fake_forget_shares(struct fake_bus *bus)
{
	u32 i, kept = 0;

	for (i = 0; i < bus->nshares; i++)
		if (bus->shares[i].shared || bus->shares[i].lost)
			bus->shares[kept++] = bus->shares[i];
	bus->nshares = kept;
	memset(&bus->shares[kept], 0, (FAKE_SHARES - kept) * sizeof(bus->shares[0]));
}

static int fake_share(struct vmbus_channel *chn, void *base, u32 bytes,
		      struct vmbus_gpadl *gpadl)
{
	struct fake_bus *bus = fake_chan(chn)->bus;
	int ret = fake_fails(bus, FAKE_SHARE);
	struct fake_shared *share;

	KUNIT_EXPECT_TRUE(bus->test, PAGE_ALIGNED(base) && PAGE_ALIGNED(bytes));
	KUNIT_EXPECT_TRUE(bus->test, fake_chan(chn)->open);
	if (bus->rescinded)
		ret = -ENODEV;
	fake_forget_shares(bus);
	if (bus->nshares == FAKE_SHARES)
		ret = -ENOMEM;
	if (ret) {
		gpadl->decrypted = bus->decrypted;
		return ret;
	}
	share = &bus->shares[bus->nshares++];
	share->base = base;
	share->bytes = bytes;
	share->handle = 0xe1e10 + bus->calls[FAKE_SHARE];
	share->shared = true;
	gpadl->gpadl_handle = share->handle;
	gpadl->buffer = base;
	gpadl->size = bytes;
	return 0;
}

static int fake_unshare(struct vmbus_channel *chn, struct vmbus_gpadl *gpadl)
{
	struct fake_bus *bus = fake_chan(chn)->bus;
	int ret = fake_fails(bus, FAKE_UNSHARE);
	struct fake_shared *share;
	u32 i;

	for (i = 0; i < bus->nshares; i++) {
		share = &bus->shares[i];
		if (share->handle != gpadl->gpadl_handle || !share->shared)
			continue;
		share->shared = false;
		share->lost = ret;
		gpadl->gpadl_handle = 0;
		return ret;
	}
	KUNIT_FAIL(bus->test, "unshare of what is not shared");
	return -EINVAL;
}

/* Answers */

static bool fake_give(struct fake_bus *bus, const struct fake_answer *answer)
{
	struct netvsc *nv = bus->nv;
	bool taken;

	if (answer->rndis)
		taken = rndis_filter_receive(nv->chans[0], answer->msg,
					     answer->len);
	else
		taken = nvsp_complete(nv, answer->id, answer->msg, answer->len);
	if (!taken)
		bus->refused++;
	return taken;
}

/* Memory of exactly its length, so that KASAN sees who reads on */
static u8 *fake_copy(const void *from, u32 len, u32 have)
{
	u8 *to = kzalloc(max(len, 1u), GFP_ATOMIC);

	if (to)
		memcpy(to, from, min(len, have));
	return to;
}

static void fake_hold(struct fake_bus *bus, const struct fake_answer *answer)
{
	if (WARN_ON(bus->nheld == FAKE_HELD))
		return;
	bus->held[bus->nheld] = *answer;
	bus->held[bus->nheld++].msg = fake_copy(answer->msg, answer->len,
						answer->len);
}

static void fake_put_word(struct fake_answer *answer, u32 offset, u32 value)
{
	__le32 word = cpu_to_le32(value);

	if (offset + sizeof(word) <= answer->len)
		memcpy(answer->msg + offset, &word, sizeof(word));
}

static u32 fake_get_word(const struct fake_answer *answer, u32 offset)
{
	__le32 word;

	memcpy(&word, answer->msg + offset, sizeof(word));
	return le32_to_cpu(word);
}

static void fake_resize(struct fake_answer *answer, u32 len)
{
	u8 *msg = fake_copy(answer->msg, len, answer->len);

	kfree(answer->msg);
	answer->msg = msg;
	answer->len = len;
	if (answer->rndis && len >= sizeof(struct rndis_hdr))
		fake_put_word(answer, offsetof(struct rndis_hdr, len), len);
}

static void fake_set_info(struct fake_answer *answer, const void *bytes,
			  u32 len)
{
	const u32 head = sizeof(struct rndis_query_c);

	fake_resize(answer, head);
	fake_resize(answer, head + len);
	if (bytes)
		memcpy(answer->msg + head, bytes, len);
	fake_put_word(answer, offsetof(struct rndis_query_c, info_len), len);
	fake_put_word(answer, offsetof(struct rndis_query_c, info_offset),
		      head - RNDIS_OFFSET_BASE);
}

static u32 fake_status_offset(const struct fake_answer *answer)
{
	if (answer->rndis)
		return offsetof(struct rndis_set_c, status);
	if (fake_get_word(answer, 0) == NVSP_INIT_COMPLETE)
		return offsetof(struct nvsp_msg_init_complete, status);
	return sizeof(__le32);	/* all others */
}

static void fake_change_id(struct fake_answer *answer, u32 value)
{
	const u32 at = offsetof(struct rndis_set_c, id);

	if (answer->rndis)
		fake_put_word(answer, at, fake_get_word(answer, at) + value);
	else
		answer->id += value;
}

static void fake_set_bytes(struct fake_answer *answer, const void *bytes,
			   u32 len)
{
	const u32 at = offsetof(struct rndis_set_c, id);
	u32 id = 0;

	if (answer->rndis)
		id = fake_get_word(answer, at);
	fake_resize(answer, len);
	memcpy(answer->msg, bytes, len);
	if (answer->rndis)
		fake_put_word(answer, at, id);
}

/* Make a right answer what the rule says */
static void fake_spoil(struct fake_answer *answer, const struct fake_rule *rule)
{
	switch (rule->how) {
	case FAKE_TYPE:
		fake_put_word(answer, 0, rule->value);
		break;
	case FAKE_LENGTH:
		fake_resize(answer, rule->value);
		break;
	case FAKE_STATUS:
		fake_put_word(answer, fake_status_offset(answer), rule->value);
		break;
	case FAKE_WORD:
		fake_put_word(answer, rule->offset, rule->value);
		break;
	case FAKE_INFO:
		fake_set_info(answer, rule->bytes, rule->value);
		break;
	case FAKE_BYTES:
		fake_set_bytes(answer, rule->bytes, rule->value);
		break;
	case FAKE_ID:
		fake_change_id(answer, rule->value);
		break;
	default:
		break;
	}
}

/* Give an answer, or not; takes its memory over */
static void fake_answer(struct fake_bus *bus, struct fake_answer *answer,
			const struct fake_rule *rule)
{
	enum fake_how how = rule ? rule->how : FAKE_CALL;

	if (rule)
		fake_spoil(answer, rule);
	if (rule && how == FAKE_CALL && rule->call)
		rule->call(bus);
	if (how == FAKE_LATE)
		fake_hold(bus, answer);
	else if (how != FAKE_NONE && how != FAKE_RESCIND)
		fake_give(bus, answer);
	if (how == FAKE_TWICE)
		fake_give(bus, answer);
	if (how == FAKE_RESCIND)
		bus->rescinded = true;
	kfree(answer->msg);
}

/* NAPI that the driver schedules polls outside of the test's thread, where no
 * stub acts. It finds two rings that are empty, and so touches nothing.
 */
static bool fake_make_rings(struct fake_chan *fc)
{
	const u32 bytes = sizeof(struct hv_ring_buffer);
	struct vmbus_channel *chn = &fc->chn;

	fc->memory = kzalloc(2 * bytes, GFP_KERNEL);
	if (!fc->memory)
		return false;
	chn->inbound.ring_buffer = fc->memory;
	chn->inbound.ring_datasize = HV_HYP_PAGE_SIZE;
	chn->outbound.ring_buffer = fc->memory + bytes;
	chn->outbound.ring_datasize = HV_HYP_PAGE_SIZE;
	spin_lock_init(&chn->inbound.ring_lock);
	spin_lock_init(&chn->outbound.ring_lock);
	return true;
}

static struct fake_chan *fake_chan_new(struct fake_bus *bus, u32 index)
{
	struct fake_chan *fc = kzalloc(sizeof(*fc), GFP_KERNEL);

	if (!fc)
		return NULL;
	if (!fake_make_rings(fc)) {
		kfree(fc);
		return NULL;
	}
	fc->bus = bus;
	fc->index = index;
	fc->chn.state = CHANNEL_OPEN_STATE;
	INIT_LIST_HEAD(&fc->in);
	return fc;
}

struct fake_chan *fake_bus_offer(struct fake_bus *bus, u32 index)
{
	struct fake_chan *fc;

	if (!bus->offer_cb || bus->noffered == FAKE_OFFERS)
		return NULL;
	fc = fake_chan_new(bus, index);
	if (!fc)
		return NULL;
	fc->chn.primary_channel = &bus->primary->chn;
	bus->offered[bus->noffered++] = fc;
	bus->offer_cb(&fc->chn);
	return fc;
}

static void fake_offer_all(struct fake_bus *bus, u32 granted)
{
	u32 i;

	if (bus->no_offers)
		return;
	for (i = 0; bus->noffers && i < bus->noffers; i++)
		fake_bus_offer(bus, bus->offers[i]);
	for (i = 0; !bus->noffers && i < granted; i++)
		fake_bus_offer(bus, i + 1);
}

static void fake_words(struct fake_answer *answer, const u32 *words, u32 count)
{
	u32 i;

	answer->len = count * sizeof(__le32);
	answer->msg = kzalloc(answer->len, GFP_ATOMIC);
	for (i = 0; i < count; i++)
		fake_put_word(answer, i * sizeof(__le32), words[i]);
}

#define FAKE_WORDS(answer, ...) \
	fake_words(answer, (const u32 []){ __VA_ARGS__ }, \
		   sizeof((const u32 []){ __VA_ARGS__ }) / sizeof(u32))

static u32 fake_rx_bytes(const struct fake_bus *bus)
{
	return bus->nv->bufs->rx.bytes;
}

static u32 fake_granted(const struct fake_bus *bus, const union nvsp_msg *msg)
{
	return min(le32_to_cpu(msg->subchannel.count), bus->host.grant);
}

static void fake_answer_nvsp(struct fake_bus *bus, const union nvsp_msg *msg,
			     u64 id, const struct fake_rule *rule)
{
	const struct fake_host *host = &bus->host;
	struct fake_answer answer = { .id = id };
	u32 granted = 0, version, count;

	switch (le32_to_cpu(msg->type)) {
	case NVSP_INIT:
		version = le32_to_cpu(msg->init.version_min);
		FAKE_WORDS(&answer, NVSP_INIT_COMPLETE, 0, 34,
			   version <= host->version ? NVSP_STATUS_SUCCESS :
						      NVSP_STATUS_FAILURE);
		break;
	case NVSP_RECV_BUF:
		count = fake_rx_bytes(bus) / host->rx_section;
		FAKE_WORDS(&answer, NVSP_RECV_BUF_COMPLETE, NVSP_STATUS_SUCCESS,
			   1, 0, host->rx_section, count,
			   host->rx_section * count);
		break;
	case NVSP_SEND_BUF:
		FAKE_WORDS(&answer, NVSP_SEND_BUF_COMPLETE, NVSP_STATUS_SUCCESS,
			   host->tx_section);
		break;
	case NVSP_SUBCHANNEL:
		granted = fake_granted(bus, msg);
		FAKE_WORDS(&answer, NVSP_SUBCHANNEL, NVSP_STATUS_SUCCESS,
			   granted);
		break;
	default:
		return;
	}
	if (!bus->offers_last)
		fake_offer_all(bus, granted);
	fake_answer(bus, &answer, rule);
	if (bus->offers_last)
		fake_offer_all(bus, granted);
}

static void fake_info(const struct fake_bus *bus, u32 oid,
		      struct fake_answer *answer)
{
	const struct fake_host *host = &bus->host;
	__le32 word;

	switch (oid) {
	case OID_MAX_FRAME_SIZE:
		word = cpu_to_le32(host->frame_max);
		return fake_set_info(answer, &word, sizeof(word));
	case OID_LINK_SPEED:
		word = cpu_to_le32(host->speed);
		return fake_set_info(answer, &word, sizeof(word));
	case OID_MEDIA_CONNECT_STATUS:
		word = cpu_to_le32(host->media);
		return fake_set_info(answer, &word, sizeof(word));
	case OID_PERMANENT_ADDRESS:
		return fake_set_info(answer, host->mac, ETH_ALEN);
	case OID_FRIENDLY_NAME:
		return fake_set_info(answer, host->name, host->name_bytes);
	case OID_OFFLOAD_HW_CAPS:
		return fake_set_info(answer, &host->offload,
				     sizeof(host->offload));
	case OID_RSS_CAPS:
		return fake_set_info(answer, &host->rss, NDIS_RSS_CAPS_SIZE_2);
	default:
		fake_set_info(answer, NULL, 0);
		fake_put_word(answer, fake_status_offset(answer),
			      FAKE_STATUS_REFUSED);
	}
}

/* The right reply to an RNDIS control message */
static void fake_reply(struct fake_bus *bus, const struct rndis_query *ask,
		       struct fake_answer *answer)
{
	const struct fake_host *host = &bus->host;
	u32 type = le32_to_cpu(ask->hdr.type), done = type | RNDIS_COMPLETION;
	u32 id = le32_to_cpu(ask->id);

	answer->rndis = true;
	if (type == RNDIS_INITIALIZE)
		FAKE_WORDS(answer, done, sizeof(struct rndis_initialize_c), id,
			   RNDIS_STATUS_SUCCESS, RNDIS_MAJOR_VERSION,
			   RNDIS_MINOR_VERSION, 1, 0, host->max_packets,
			   host->max_transfer, host->align, 0, 0);
	else
		FAKE_WORDS(answer, done, sizeof(struct rndis_set_c), id,
			   RNDIS_STATUS_SUCCESS);
	if (type == RNDIS_QUERY)
		fake_info(bus, le32_to_cpu(ask->oid), answer);
}

/* The two answers to an RNDIS control message */
static void fake_answer_rndis(struct fake_bus *bus, struct fake_sent *sent,
			      const struct fake_rule *rule)
{
	const struct rndis_query *ask = (const void *)sent->data;
	enum fake_how how = rule ? rule->how : FAKE_CALL;
	struct fake_answer done = { .id = sent->id }, reply = {};
	u32 status = NVSP_STATUS_SUCCESS;

	if (how == FAKE_DONE_STATUS)
		status = rule->value;
	FAKE_WORDS(&done, NVSP_RNDIS_PACKET_COMPLETE, status);
	if (le32_to_cpu(ask->hdr.type) != RNDIS_HALT &&
	    how != FAKE_DONE_STATUS)
		fake_reply(bus, ask, &reply);
	if (how < FAKE_DONE_NONE || how == FAKE_DONE_STATUS)
		fake_give(bus, &done);
	if (how == FAKE_DONE_MUTE)
		kfree(reply.msg);
	else if (reply.msg)
		fake_answer(bus, &reply, rule);
	if (how == FAKE_DONE_LATE)
		fake_hold(bus, &done);
	if (how == FAKE_DONE_LAST)
		fake_give(bus, &done);
	kfree(done.msg);
}

/* What is sent */

static struct fake_sent *fake_record(struct fake_chan *fc, const void *msg,
				     u32 len, u64 id)
{
	struct fake_sent *sent = kzalloc(sizeof(*sent), GFP_ATOMIC);
	struct fake_bus *bus = fc->bus;

	if (!sent)
		return NULL;
	sent->index = fc->index;
	sent->id = id;
	sent->len = len;
	memcpy(sent->msg, msg, min_t(u32, len, sizeof(sent->msg)));
	sent->key = le32_to_cpu(*(const __le32 *)msg);
	list_add_tail(&sent->node, &bus->sent);
	bus->nsent++;
	return sent;
}

/* A copy of the send section that a data packet is in */
static void fake_take_section(struct fake_bus *bus, struct fake_sent *sent)
{
	const struct nvsp_msg_rndis_packet *msg = (const void *)sent->msg;
	u32 section = le32_to_cpu(msg->section_index);
	const struct netvsc *nv = bus->nv;
	u32 bytes = le32_to_cpu(msg->section_size);

	if (sent->key != NVSP_RNDIS_PACKET || section == NVSP_NO_SECTION)
		return;
	KUNIT_EXPECT_LT(bus->test, section, nv->sess.tx_sections);
	KUNIT_EXPECT_LE(bus->test, bytes, nv->sess.tx_section_size);
	if (section >= nv->sess.tx_sections || bytes > nv->sess.tx_section_size)
		return;
	sent->data = fake_copy(nv->bufs->tx.base +
			       section * nv->sess.tx_section_size, bytes,
			       bytes);
	sent->data_len = bytes;
}

static int fake_send(struct vmbus_channel *chn, const void *msg, u32 len,
		     u64 id, bool reply)
{
	struct fake_chan *fc = fake_chan(chn);
	struct fake_bus *bus = fc->bus;
	int ret = fake_fails(bus, FAKE_SEND);
	struct fake_rule *rule = NULL;
	struct fake_sent *sent;

	KUNIT_EXPECT_TRUE(bus->test, fc->open);
	if (bus->rescinded || fc->rescinded)
		ret = -ENODEV;
	if (!ret)
		rule = fake_match(bus, le32_to_cpu(*(const __le32 *)msg),
				  reply);
	if (rule && rule->how == FAKE_ERROR)
		ret = -(int)rule->value;
	if (ret)
		return ret;
	sent = fake_record(fc, msg, len, id);
	if (!sent)
		return -ENOMEM;
	sent->reply = reply;
	fake_take_section(bus, sent);
	if (!reply || sent->key == NVSP_RNDIS_PACKET)
		return 0;
	bus->exchanges++;
	fake_answer_nvsp(bus, msg, id, rule);
	return 0;
}

/* Bytes of a descriptor's ranges; copied to @to unless that is NULL */
static u32 fake_gather(const struct vmbus_packet_mpb_array *desc, u8 *to)
{
	const struct hv_mpb_array *range = &desc->range;
	u32 i, done, piece, offset, total = 0;
	const u64 *pfn;

	for (i = 0; i < desc->rangecount; i++) {
		pfn = range->pfn_array;
		offset = range->offset;
		for (done = 0; done < range->len; done += piece) {
			piece = min_t(u32, range->len - done,
				      HV_HYP_PAGE_SIZE - offset);
			if (to)
				memcpy(to + total, __va(*pfn * HV_HYP_PAGE_SIZE) +
				       offset, piece);
			total += piece;
			offset = 0;
			pfn++;
		}
		range = (const void *)pfn;
	}
	return total;
}

static u32 fake_control_key(const struct fake_sent *sent)
{
	const struct rndis_query *ask = (const void *)sent->data;
	u32 type = le32_to_cpu(ask->hdr.type);

	if (type == RNDIS_QUERY || type == RNDIS_SET)
		return le32_to_cpu(ask->oid);
	return FAKE_KEY_RNDIS(type);
}

static void fake_unrecord(struct fake_bus *bus, struct fake_sent *sent)
{
	list_del(&sent->node);
	bus->nsent--;
	kfree(sent->data);
	kfree(sent);
}

static int fake_send_pages(struct vmbus_channel *chn,
			   struct vmbus_packet_mpb_array *desc, u32 desc_len,
			   const void *msg, u32 len, u64 id)
{
	const struct nvsp_msg_rndis_packet *packet = msg;
	struct fake_chan *fc = fake_chan(chn);
	struct fake_bus *bus = fc->bus;
	int ret = fake_fails(bus, FAKE_SEND_PAGES);
	struct fake_rule *rule = NULL;
	struct fake_sent *sent;

	KUNIT_EXPECT_TRUE(bus->test, fc->open);
	if (bus->rescinded || fc->rescinded)
		ret = -ENODEV;
	if (ret)
		return ret;
	sent = fake_record(fc, msg, len, id);
	if (!sent)
		return -ENOMEM;
	sent->reply = true;
	sent->ranges = desc->rangecount;
	sent->desc_len = desc_len;
	sent->data_len = fake_gather(desc, NULL);
	sent->data = kzalloc(max(sent->data_len, 1u), GFP_ATOMIC);
	if (!sent->data)
		return 0;
	fake_gather(desc, sent->data);
	if (le32_to_cpu(packet->channel_type) != NVSP_CHANNEL_CONTROL)
		return 0;
	sent->key = fake_control_key(sent);
	rule = fake_match(bus, sent->key,
			  sent->key != FAKE_KEY_RNDIS(RNDIS_HALT));
	if (rule && rule->how == FAKE_ERROR) {
		fake_unrecord(bus, sent);
		return -(int)rule->value;
	}
	bus->exchanges += sent->key != FAKE_KEY_RNDIS(RNDIS_HALT);
	fake_answer_rndis(bus, sent, rule);
	return 0;
}

static int fake_complete(struct vmbus_channel *chn, u64 id, const void *msg,
			 u32 len)
{
	struct fake_chan *fc = fake_chan(chn);
	int ret = fake_fails(fc->bus, FAKE_COMPLETE);
	struct fake_sent *sent;

	KUNIT_EXPECT_TRUE(fc->bus->test, fc->open);
	if (fc->bus->rescinded || fc->rescinded)
		ret = -ENODEV;
	if (ret)
		return ret;
	sent = fake_record(fc, msg, len, id);
	if (sent)
		sent->completion = true;
	return 0;
}

/* What is read */

static struct vmpacket_descriptor *fake_first(struct vmbus_channel *chn)
{
	struct fake_packet *pkt;

	pkt = list_first_entry_or_null(&fake_chan(chn)->in, struct fake_packet,
				       node);
	return pkt ? (void *)pkt->bytes : NULL;
}

static struct vmpacket_descriptor *
fake_next(struct vmbus_channel *chn, const struct vmpacket_descriptor *desc)
{
	struct fake_packet *pkt;

	pkt = container_of((const u8 *)desc, struct fake_packet, bytes[0]);
	list_del(&pkt->node);
	kfree(pkt);
	return fake_first(chn);
}

static void fake_read_end(struct vmbus_channel *chn)
{
}

static void fake_mask(struct vmbus_channel *chn)
{
	KUNIT_EXPECT_TRUE(fake_chan(chn)->bus->test, fake_chan(chn)->open);
	fake_chan(chn)->masked = true;
}

static bool fake_unmask(struct vmbus_channel *chn)
{
	fake_chan(chn)->masked = false;
	return !list_empty(&fake_chan(chn)->in);
}

static u32 fake_tx_room(const struct vmbus_channel *chn)
{
	return fake_chan(chn)->bus->room;
}

static bool fake_drained(const struct vmbus_channel *chn)
{
	return !fake_chan(chn)->bus->undrained &&
	       list_empty(&fake_chan(chn)->in);
}

static bool fake_rescinded(const struct vmbus_channel *chn)
{
	return fake_chan(chn)->rescinded || fake_chan(chn)->bus->rescinded;
}

static void fake_want_offers(struct vmbus_channel *primary,
			     void (*cb)(struct vmbus_channel *))
{
	fake_chan(primary)->bus->offer_cb = cb;
}

static u16 fake_index(const struct vmbus_channel *chn)
{
	return fake_chan(chn)->index;
}

static u32 fake_cpu(const struct vmbus_channel *chn)
{
	return 0;
}

static bool fake_isolated(void)
{
	struct fake_bus *bus = kunit_get_current_test()->priv;

	return bus->isolated;
}

static void fake_stub_all(struct kunit *test)
{
	kunit_activate_static_stub(test, netvsc_vmbus_alloc_ring, fake_alloc_ring);
	kunit_activate_static_stub(test, netvsc_vmbus_free_ring, fake_free_ring);
	kunit_activate_static_stub(test, netvsc_vmbus_open, fake_open);
	kunit_activate_static_stub(test, netvsc_vmbus_close, fake_close);
	kunit_activate_static_stub(test, netvsc_vmbus_send, fake_send);
	kunit_activate_static_stub(test, netvsc_vmbus_send_pages, fake_send_pages);
	kunit_activate_static_stub(test, netvsc_vmbus_complete, fake_complete);
	kunit_activate_static_stub(test, netvsc_vmbus_first, fake_first);
	kunit_activate_static_stub(test, netvsc_vmbus_next, fake_next);
	kunit_activate_static_stub(test, netvsc_vmbus_read_end, fake_read_end);
	kunit_activate_static_stub(test, netvsc_vmbus_mask, fake_mask);
	kunit_activate_static_stub(test, netvsc_vmbus_unmask, fake_unmask);
	kunit_activate_static_stub(test, netvsc_vmbus_tx_room, fake_tx_room);
	kunit_activate_static_stub(test, netvsc_vmbus_drained, fake_drained);
	kunit_activate_static_stub(test, netvsc_vmbus_rescinded, fake_rescinded);
	kunit_activate_static_stub(test, netvsc_vmbus_share, fake_share);
	kunit_activate_static_stub(test, netvsc_vmbus_unshare, fake_unshare);
	kunit_activate_static_stub(test, netvsc_vmbus_want_offers, fake_want_offers);
	kunit_activate_static_stub(test, netvsc_vmbus_index, fake_index);
	kunit_activate_static_stub(test, netvsc_vmbus_cpu, fake_cpu);
	kunit_activate_static_stub(test, netvsc_vmbus_isolated, fake_isolated);
}

/* What tests call */

struct fake_rule *fake_bus_rule(struct fake_bus *bus, u32 key,
				enum fake_how how, u32 value)
{
	struct fake_rule *rule;

	KUNIT_ASSERT_LT(bus->test, bus->nrules, FAKE_RULES);
	rule = &bus->rules[bus->nrules++];
	memset(rule, 0, sizeof(*rule));
	rule->key = key;
	rule->how = how;
	rule->value = value;
	return rule;
}

void fake_bus_no_rules(struct fake_bus *bus)
{
	bus->nrules = 0;
	memset(bus->fail_at, 0, sizeof(bus->fail_at));
	bus->all_fail_at = 0;
}

void fake_bus_fail(struct fake_bus *bus, enum fake_call call, u32 nth, int error)
{
	bus->fail_at[call] = bus->calls[call] + nth;
	bus->fail_errno[call] = abs(error);
	bus->fail_times[call] = 1;
}

u32 fake_bus_deliver(struct fake_bus *bus)
{
	u32 i, taken = 0;

	for (i = 0; i < bus->nheld; i++) {
		taken += fake_give(bus, &bus->held[i]);
		kfree(bus->held[i].msg);
	}
	bus->nheld = 0;
	return taken;
}

void fake_bus_make_chans(struct fake_bus *bus, u32 count)
{
	struct netvsc *nv = bus->nv;
	struct netvsc_chan *ch;

	while (nv->nchans_made < count) {
		ch = kvzalloc(sizeof(*ch), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(bus->test, ch);
		ch->nv = nv;
		ch->index = nv->nchans_made;
		nv->chans[nv->nchans_made++] = ch;
	}
}

void fake_bus_make_bufs(struct fake_bus *bus, u32 rx_bytes, u32 tx_bytes)
{
	struct netvsc_bufs *bufs = kzalloc(sizeof(*bufs), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(bus->test, bufs);
	bus->nv->bufs = bufs;
	bufs->rx.bytes = rx_bytes;
	bufs->tx.bytes = tx_bytes;
	bufs->rx.base = vzalloc(rx_bytes);
	bufs->tx.base = vzalloc(tx_bytes);
	KUNIT_ASSERT_TRUE(bus->test, bufs->rx.base && bufs->tx.base);
}

/* The stack asks before there is a session, as these are registered early */
static int fake_set_features(struct net_device *ndev, netdev_features_t features)
{
	struct netvsc *nv = netdev_priv(ndev);

	return nv->state == NETVSC_DOWN ? 0 : netvsc_set_features(ndev, features);
}

static const struct net_device_ops fake_netdev_ops = {
	.ndo_fix_features	= netvsc_fix_features,
	.ndo_set_features	= fake_set_features,
	.ndo_start_xmit		= netvsc_start_xmit,
	.ndo_select_queue	= netvsc_select_queue,
	.ndo_get_stats64	= netvsc_get_stats64,
};

int fake_bus_connect(struct fake_bus *bus)
{
	struct net_device *ndev = bus->ndev;
	int ret = 0;

	rtnl_lock();
	if (!bus->registered) {
		netif_set_real_num_queues(ndev, 1, 1);
		ret = register_netdevice(ndev);
		bus->registered = !ret;
		bus->nv->registered = !ret;
	}
	if (!ret)
		ret = netvsc_config_connect(bus->nv);
	rtnl_unlock();
	return ret;
}

int fake_bus_reconfigure(struct fake_bus *bus, const struct netvsc_config *want,
			 enum netvsc_state target)
{
	int ret;

	rtnl_lock();
	ret = netvsc_reconfigure(bus->nv, want, target, NULL);
	/* as the stack does when features were set */
	if (!ret)
		bus->ndev->features = bus->nv->cfg.features;
	rtnl_unlock();
	return ret;
}

int fake_bus_grow(struct fake_bus *bus)
{
	int ret;

	rtnl_lock();
	ret = netvsc_add_subchannels(bus->nv);
	rtnl_unlock();
	return ret;
}

int fake_bus_run(struct fake_bus *bus, u32 channels)
{
	struct netvsc_config want;
	int ret;

	ret = fake_bus_connect(bus);
	if (ret)
		return ret;
	want = bus->nv->cfg;
	want.channels = channels;
	want.filter = NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST;
	ret = fake_bus_reconfigure(bus, &want, NETVSC_RUNNING);
	if (!ret)
		ret = fake_bus_grow(bus);
	fake_bus_forget(bus);
	return ret;
}

struct fake_sent *fake_bus_sent(struct fake_bus *bus, u32 key, u32 nth)
{
	struct fake_sent *sent;

	list_for_each_entry(sent, &bus->sent, node) {
		if (sent->key == key && !nth--)
			return sent;
	}
	return NULL;
}

u32 fake_bus_count(struct fake_bus *bus, u32 key)
{
	struct fake_sent *sent;
	u32 count = 0;

	list_for_each_entry(sent, &bus->sent, node)
		count += sent->key == key;
	return count;
}

void fake_bus_forget(struct fake_bus *bus)
{
	struct fake_sent *sent, *next;

	list_for_each_entry_safe(sent, next, &bus->sent, node)
		fake_unrecord(bus, sent);
}

u32 fake_bus_still_shared(const struct fake_bus *bus)
{
	u32 i, count = 0;

	for (i = 0; i < bus->nshares; i++)
		count += bus->shares[i].shared;
	return count;
}

struct fake_chan *fake_bus_chan(struct fake_bus *bus, u32 index)
{
	u32 i;

	if (!index)
		return bus->primary->open ? bus->primary : NULL;
	for (i = 0; i < bus->noffered; i++)
		if (bus->offered[i]->open && bus->offered[i]->index == index)
			return bus->offered[i];
	return NULL;
}

u32 fake_bus_still_open(const struct fake_bus *bus)
{
	u32 i, count = bus->primary->open;

	for (i = 0; i < bus->noffered; i++)
		count += bus->offered[i]->open;
	return count;
}

void fake_bus_put(struct fake_bus *bus, u32 index, u16 type, u16 flags, u64 id,
		  const void *rest, u32 rest_len, const void *msg, u32 len)
{
	u32 head = ALIGN(sizeof(struct vmpacket_descriptor) + rest_len, 8);
	struct fake_chan *fc = fake_bus_chan(bus, index);
	u32 bytes = head + ALIGN(len, 8);
	struct vmpacket_descriptor *desc;
	struct fake_packet *pkt;

	KUNIT_ASSERT_NOT_NULL(bus->test, fc);
	pkt = kzalloc(struct_size(pkt, bytes, bytes), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(bus->test, pkt);
	pkt->len = bytes;
	desc = (void *)pkt->bytes;
	desc->type = type;
	desc->flags = flags;
	desc->trans_id = id;
	desc->offset8 = head / 8;
	desc->len8 = bytes / 8;
	if (rest_len)
		memcpy(desc + 1, rest, rest_len);
	if (len)
		memcpy(pkt->bytes + head, msg, len);
	list_add_tail(&pkt->node, &fc->in);
}

void fake_bus_put_xfer(struct fake_bus *bus, u32 index, u64 id, u16 pageset,
		       u32 count, const struct vmtransfer_page_range *ranges)
{
	const u32 head = sizeof(struct vmtransfer_page_packet_header) -
			 sizeof(struct vmpacket_descriptor);
	const union nvsp_msg msg = {
		.rndis.type = cpu_to_le32(NVSP_RNDIS_PACKET),
		.rndis.section_index = cpu_to_le32(NVSP_NO_SECTION),
	};
	u32 len = head + count * sizeof(*ranges);
	struct vmtransfer_page_packet_header *xfer;
	u8 *rest = kzalloc(len + sizeof(*xfer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(bus->test, rest);
	xfer = (void *)rest;
	xfer->xfer_pageset_id = pageset;
	xfer->range_cnt = count;
	memcpy(xfer->ranges, ranges, count * sizeof(*ranges));
	fake_bus_put(bus, index, VM_PKT_DATA_USING_XFER_PAGES,
		     VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED, id,
		     rest + sizeof(xfer->d), len, &msg, sizeof(msg));
	kfree(rest);
}

int fake_bus_poll(struct fake_bus *bus, u32 index, int budget)
{
	struct napi_struct *napi = &bus->nv->chans[index]->rx.napi;
	struct fake_chan *fc = fake_bus_chan(bus, index);
	int work;

	KUNIT_ASSERT_NOT_NULL(bus->test, fc);
	while (budget && !fc->polled && !napi_schedule_prep(napi))
		usleep_range(100, 200);
	local_bh_disable();
	work = napi->poll(napi, budget);
	local_bh_enable();
	if (budget)
		fc->polled = work >= budget;
	return work;
}

/* Its beginning and its end */

static void fake_event(struct work_struct *work)
{
	struct netvsc *nv = container_of(work, struct netvsc, event_work.work);
	struct fake_bus *bus = dev_get_drvdata(&nv->ndev->dev);

	atomic_inc(&bus->events);
}

static void fake_init_nv(struct fake_bus *bus)
{
	struct netvsc *nv = bus->nv;

	nv->ndev = bus->ndev;
	nv->hdev = &bus->hdev;
	nv->l4_hash = NETVSC_HASH_ALL;
	nv->ring_bytes = 16 * PAGE_SIZE;
	nv->timeout_ms = 1000;
	nv->link.up = true;
	nv->link.speed = SPEED_UNKNOWN;
	nv->link.next = jiffies;
	spin_lock_init(&nv->xact_lock);
	INIT_LIST_HEAD(&nv->xacts);
	INIT_LIST_HEAD(&nv->requests);
	init_waitqueue_head(&nv->offers.wait);
	INIT_DELAYED_WORK(&nv->event_work, fake_event);
	netvsc_config_init(nv);
	nv->cfg.rx_bytes = 16 * PAGE_SIZE;
	nv->cfg.tx_bytes = 16 * PAGE_SIZE;
	nvsp_set_deadline(nv);
}

static void fake_init_host(struct fake_host *host)
{
	static const u8 mac[ETH_ALEN] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 };
	struct ndis_offload *offload = &host->offload;

	host->version = NVSP_VERSION_6_1;
	host->rx_section = NETVSC_RX_SECTION;
	host->tx_section = NETVSC_TX_SECTION;
	host->grant = NETVSC_CHANNELS_MAX - 1;
	host->max_packets = 8;
	host->max_transfer = 0x4000;
	host->align = 3;
	host->frame_max = 9000;
	host->speed = 100000000;
	ether_addr_copy(host->mac, mac);
	host->name[0] = cpu_to_le16('n');
	host->name[1] = cpu_to_le16('1');
	host->name_bytes = 6;
	offload->hdr.type = NDIS_OBJECT_OFFLOAD;
	offload->hdr.revision = 3;
	offload->hdr.size = cpu_to_le16(sizeof(*offload));
	offload->ipv4_tx.flags = cpu_to_le32(0x55);
	offload->ipv6_tx.flags = cpu_to_le32(0x55);
	offload->lso_v4.encapsulation = cpu_to_le32(NDIS_ENCAPSULATION_8023);
	offload->lso_v4.max_size = cpu_to_le32(62780);
	offload->lso_v6 = offload->lso_v4;
	offload->lso_v6_flags = cpu_to_le32(NDIS_LSO_V6_EXT_HEADERS |
					    NDIS_LSO_V6_TCP_OPTIONS);
	offload->rsc_v4 = 1;
	offload->rsc_v6 = 1;
	host->rss.hdr.type = NDIS_OBJECT_RSS_CAPS;
	host->rss.hdr.revision = 2;
	host->rss.hdr.size = cpu_to_le16(NDIS_RSS_CAPS_SIZE_2);
	host->rss.queues = cpu_to_le32(NETVSC_CHANNELS_MAX);
	host->rss.table_entries = cpu_to_le16(NETVSC_RSS_TABLE_DEFAULT);
}

/* End what netvsc_config.c has begun, or what a test below it has */
static void fake_end_session(struct fake_bus *bus)
{
	struct netvsc *nv = bus->nv;

	rtnl_lock();
	if (nv->state == NETVSC_DOWN && nv->nchans_made && nv->chans[0]->open) {
		nvsp_close(nv);
		rndis_filter_release(nv);
	}
	netvsc_config_disconnect(nv);
	if (bus->registered)
		unregister_netdevice(bus->ndev);
	nv->registered = false;
	rtnl_unlock();
	cancel_delayed_work_sync(&nv->event_work);
}

static void fake_expect_nothing_left(struct fake_bus *bus)
{
	struct kunit *test = bus->test;
	u32 i;

	KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus), 0);
	KUNIT_EXPECT_EQ(test, fake_bus_still_open(bus), 0);
	KUNIT_EXPECT_FALSE(test, bus->primary->ring);
	for (i = 0; i < bus->noffered; i++)
		KUNIT_EXPECT_FALSE(test, bus->offered[i]->ring);
	KUNIT_EXPECT_TRUE(test, list_empty(&bus->nv->xacts));
	KUNIT_EXPECT_TRUE(test, list_empty(&bus->nv->requests));
}

static bool fake_lost_before(const struct fake_bus *bus, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (bus->shares[i].lost &&
		    bus->shares[i].base == bus->shares[n].base)
			return true;
	return false;
}

void fake_bus_end(struct fake_bus *bus)
{
	u32 i;

	if (bus->ended)
		return;
	bus->ended = true;
	fake_bus_no_rules(bus);
	fake_end_session(bus);
	fake_expect_nothing_left(bus);
	hv_set_drvdata(&bus->hdev, NULL);
	netvsc_config_free(bus->nv);
	free_percpu(bus->nv->vf.stats);
	free_netdev(bus->ndev);

	for (i = 0; i < bus->nshares; i++)
		if (bus->shares[i].lost && !fake_lost_before(bus, i))
			vfree(bus->shares[i].base);
	for (i = 0; i < bus->nheld; i++)
		kfree(bus->held[i].msg);
	fake_bus_forget(bus);
	for (i = 0; i < bus->noffered; i++)
		fake_chan_free(bus->offered[i]);
	fake_chan_free(bus->primary);
}

static void fake_end_action(void *bus)
{
	fake_bus_end(bus);
}

struct fake_bus *fake_bus_new(struct kunit *test)
{
	struct fake_bus *bus = kunit_kzalloc(test, sizeof(*bus), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bus);
	bus->test = test;
	bus->room = 100;
	INIT_LIST_HEAD(&bus->sent);
	test->priv = bus;
	bus->primary = fake_chan_new(bus, 0);
	bus->ndev = alloc_etherdev_mq(sizeof(struct netvsc),
				      NETVSC_CHANNELS_MAX);
	KUNIT_ASSERT_NOT_NULL(test, bus->primary);
	KUNIT_ASSERT_NOT_NULL(test, bus->ndev);
	bus->primary->chn.device_obj = &bus->hdev;
	bus->hdev.channel = &bus->primary->chn;
	bus->ndev->netdev_ops = &fake_netdev_ops;
	bus->ndev->min_mtu = NETVSC_MTU_MIN;
	netif_carrier_off(bus->ndev);
	hv_set_drvdata(&bus->hdev, bus->ndev);
	dev_set_drvdata(&bus->ndev->dev, bus);
	bus->nv = netdev_priv(bus->ndev);
	fake_init_nv(bus);
	fake_init_host(&bus->host);
	eth_hw_addr_set(bus->ndev, bus->host.mac);
	fake_stub_all(test);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fake_end_action,
							bus), 0);
	bus->nv->vf.stats = netdev_alloc_pcpu_stats(struct netvsc_vf_stats);
	KUNIT_ASSERT_NOT_NULL(test, bus->nv->vf.stats);
	return bus;
}
