// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NVSP session with the host: versions, shared buffers, subchannels, the
 * exchanges that wait for an answer, and the host's notices. Numbers in
 * brackets name the sections of the protocol reference.
 *
 * Every wait ends at nv->deadline, or within a slice of the moment when the bus
 * has noted a rescind, but for what the bus waits for itself (netvsc_vmbus.c).
 * The bus notes one rescind after the other: not before the driver has removed
 * the device of the one in front, for which it needs RTNL.
 */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/rcupdate.h>
#include <linux/unaligned.h>

#include "hyperv_net.h"
#include "netvsc.h"
#include "netvsc_trace.h"
#include "netvsc_vmbus.h"
#include "nvsp_proto.h"

#define NVSP_SLICE_MS		50
#define NVSP_SECTION_MIN	68	/* bytes: the shortest frame [2.4] */

static const u32 nvsp_versions[] = {
	NVSP_VERSION_6_1, NVSP_VERSION_6, NVSP_VERSION_5,
	NVSP_VERSION_4, NVSP_VERSION_2, NVSP_VERSION_1,
};

/* How the two shared buffers differ on the wire */
struct nvsp_buf_kind {
	const char *name;
	u32 offer;
	u32 answer;
	u32 answer_min;
	u32 revoke;
	u16 id;
};

static const struct nvsp_buf_kind nvsp_rx_buf = {
	.name = "receive",
	.offer = NVSP_RECV_BUF,
	.answer = NVSP_RECV_BUF_COMPLETE,
	.answer_min = sizeof(struct nvsp_msg_recv_buf_complete),
	.revoke = NVSP_REVOKE_RECV_BUF,
	.id = NVSP_RECV_BUF_ID,
};

static const struct nvsp_buf_kind nvsp_tx_buf = {
	.name = "send",
	.offer = NVSP_SEND_BUF,
	.answer = NVSP_SEND_BUF_COMPLETE,
	.answer_min = sizeof(struct nvsp_msg_send_buf_complete),
	.revoke = NVSP_REVOKE_SEND_BUF,
	.id = NVSP_SEND_BUF_ID,
};

/**
 * nvsp_set_deadline() - start the time that an operation may wait for the host
 * @nv: the device
 *
 * Context: the configuration path, once for each operation.
 */
void nvsp_set_deadline(struct netvsc *nv)
{
	nv->deadline = jiffies + msecs_to_jiffies(nv->timeout_ms);
}

/**
 * nvsp_limit_wait() - let a part of an operation take a quarter of the time left
 * @nv: the device
 *
 * For what the operation can do without: a host that does not answer it is not
 * to take the time of the steps behind it.
 *
 * Context: the configuration path.
 * Return: the whole operation's deadline, for nv->deadline when the part is over.
 */
unsigned long nvsp_limit_wait(struct netvsc *nv)
{
	unsigned long whole = nv->deadline;
	long left = whole - jiffies;

	if (left > 0)
		nv->deadline = jiffies + left / 4;
	return whole;
}

/**
 * nvsp_set_short_deadline() - start the time for taking something back
 * @nv: the device
 *
 * A quarter of an operation's: for what is undone because the host's answer was
 * late, and may be in force all the same.
 *
 * Context: the configuration path.
 */
void nvsp_set_short_deadline(struct netvsc *nv)
{
	nvsp_set_deadline(nv);
	nvsp_limit_wait(nv);
}

/* Jiffies to wait before the next look, or why there is nothing to wait for */
static long nvsp_slice(const struct netvsc *nv)
{
	long left = nv->deadline - jiffies;

	if (netvsc_vmbus_rescinded(nv->hdev->channel))
		return -ENODEV;
	if (left <= 0)
		return -ETIMEDOUT;
	return min_t(long, left, msecs_to_jiffies(NVSP_SLICE_MS));
}

/**
 * nvsp_wait() - wait for something that the host has to do
 * @nv: the device
 * @done: completed when it has
 *
 * What is done already counts, even if the time is over.
 *
 * Context: process, may sleep.
 * Return: 0, -ENODEV if the channel is rescinded, -ETIMEDOUT at the deadline.
 */
int nvsp_wait(struct netvsc *nv, struct completion *done)
{
	long slice;

	while (!try_wait_for_completion(done)) {
		slice = nvsp_slice(nv);
		if (slice < 0)
			return slice;
		if (wait_for_completion_timeout(done, slice))
			return 0;
	}
	return 0;
}

/* Let some time pass for a ring that had no room */
static int nvsp_pause(const struct netvsc *nv)
{
	long slice = nvsp_slice(nv);

	if (slice < 0)
		return slice;
	usleep_range(500, 1000);
	return 0;
}

static u64 nvsp_next_id(struct netvsc *nv)
{
	lockdep_assert_held(&nv->xact_lock);

	return NVSP_XACT_ID | ++nv->xact_serial;
}

/**
 * nvsp_xact_start() - begin to accept the answer of an exchange
 * @nv: the device
 * @xact: the exchange: its kind, and reply_type and reply_min of one of kind
 *	NVSP_XACT_MESSAGE, are set. Its id is valid afterwards, and no other
 *	exchange will have the same: an answer that comes late finds nothing.
 *
 * Context: any.
 */
void nvsp_xact_start(struct netvsc *nv, struct nvsp_xact *xact)
{
	unsigned long flags;

	init_completion(&xact->done);
	xact->answered = false;
	xact->reply_len = 0;

	/* netpoll completes exchanges with interrupts off */
	spin_lock_irqsave(&nv->xact_lock, flags);
	xact->id = nvsp_next_id(nv);
	list_add_tail(&xact->node, &nv->xacts);
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

/**
 * nvsp_xact_end() - accept no answer any more
 * @nv: the device
 * @xact: exchange that was started
 *
 * Afterwards it is the caller's alone: answer and flag do not change any more,
 * and its memory may go.
 *
 * Context: any.
 */
void nvsp_xact_end(struct netvsc *nv, struct nvsp_xact *xact)
{
	unsigned long flags;

	spin_lock_irqsave(&nv->xact_lock, flags);
	list_del_init(&xact->node);
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

static struct nvsp_xact *nvsp_xact_find(struct netvsc *nv, u64 id)
{
	struct nvsp_xact *xact;

	lockdep_assert_held(&nv->xact_lock);

	list_for_each_entry(xact, &nv->xacts, node) {
		if (xact->id == id)
			return xact;
	}
	return NULL;
}

/* Is this the sort of answer that the exchange waits for? [6.1] */
static bool nvsp_xact_fits(const struct nvsp_xact *xact, const void *msg,
			   u32 len)
{
	u32 type = xact->reply_type;
	u32 min = xact->reply_min;

	if (xact->kind == NVSP_XACT_EMPTY)
		return true;
	if (xact->kind == NVSP_XACT_RNDIS) {
		type = NVSP_RNDIS_PACKET_COMPLETE;
		min = sizeof(struct nvsp_msg_rndis_complete);
	}
	return len >= max_t(u32, min, sizeof(__le32)) &&
	       get_unaligned_le32(msg) == type;
}

/**
 * nvsp_complete() - take the host's answer to an exchange [1.10, 6.1]
 * @nv: the device
 * @id: transaction id of the completion
 * @msg: private copy of its payload
 * @len: bytes of it, may be 0
 *
 * An exchange takes one answer, and only of its kind; any other changes
 * nothing.
 *
 * Context: any; usually NAPI.
 * Return: true if an exchange took it.
 */
bool nvsp_complete(struct netvsc *nv, u64 id, const void *msg, u32 len)
{
	struct nvsp_xact *xact;
	unsigned long flags;
	bool taken = false;

	spin_lock_irqsave(&nv->xact_lock, flags);
	xact = nvsp_xact_find(nv, id);
	if (xact && nvsp_xact_fits(xact, msg, len)) {
		xact->reply_len = min_t(u32, len, NVSP_REPLY_MAX);
		memcpy(xact->reply, msg, xact->reply_len);
		xact->answered = true;
		list_del_init(&xact->node);
		complete(&xact->done);
		taken = true;
	}
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	return taken;
}

/* Put a message on the primary's ring; wait for room until the deadline */
static int nvsp_send(struct netvsc *nv, const union nvsp_msg *msg, u64 id,
		     bool reply)
{
	int ret;

	if (!nv->chans[0]->open)
		return -ENODEV;

	trace_nvsp_send(nv->ndev, le32_to_cpu(msg->type));
	for (;;) {
		ret = netvsc_vmbus_send(nv->hdev->channel, msg, sizeof(*msg),
					id, reply);
		if (ret != -EAGAIN)
			break;
		ret = nvsp_pause(nv);
		if (ret)
			break;
	}
	return ret;
}

/* Send a message that has no answer */
static int nvsp_tell(struct netvsc *nv, const union nvsp_msg *msg)
{
	unsigned long flags;
	u64 id;

	spin_lock_irqsave(&nv->xact_lock, flags);
	id = nvsp_next_id(nv);
	spin_unlock_irqrestore(&nv->xact_lock, flags);

	return nvsp_send(nv, msg, id, false);
}

/* Send a message and wait for its answer, which is then in xact->reply, as
 * private memory with at least reply_min bytes in use
 */
static int nvsp_request(struct netvsc *nv, const union nvsp_msg *msg,
			u32 reply_type, u32 reply_min, struct nvsp_xact *xact)
{
	int ret;

	xact->kind = NVSP_XACT_MESSAGE;
	xact->reply_type = reply_type;
	xact->reply_min = reply_min;
	nvsp_xact_start(nv, xact);

	ret = nvsp_send(nv, msg, xact->id, true);
	if (!ret)
		ret = nvsp_wait(nv, &xact->done);

	nvsp_xact_end(nv, xact);
	return ret;
}

/*
 * A channel may be read from now on; interrupts are off. What the host has
 * signalled before is looked at now: it will not signal again.
 */
static void nvsp_opened(struct netvsc_chan *ch, void (*cb)(void *))
{
	/* pairs with the poll: busy polling may come at any time */
	smp_store_release(&ch->open, true);
	cb(ch);
}

/**
 * nvsp_open() - open the primary channel [2.12]
 * @nv: the device; its primary's receive side is ready
 * @cb: channel callback, called with the struct netvsc_chan
 *
 * The rings stay allocated after an error, and after nvsp_close(): the owner of
 * the device frees them when it goes.
 *
 * Context: the configuration path; may sleep, without a deadline.
 * Return: 0 or the bus's error.
 */
int nvsp_open(struct netvsc *nv, void (*cb)(void *))
{
	struct netvsc_chan *ch = nv->chans[0];
	unsigned long flags;
	int ret;

	ch->chn = nv->hdev->channel;
	ret = netvsc_vmbus_alloc_ring(ch->chn, nv->ring_bytes);
	if (ret)
		goto err;
	/* the callback may come before this returns */
	ret = netvsc_vmbus_open(ch->chn, cb, ch);
	if (ret)
		goto err;

	local_irq_save(flags);
	nvsp_opened(ch, cb);
	local_irq_restore(flags);
	return 0;

err:
	ch->chn = NULL;
	netdev_err(nv->ndev, "unable to open channel: %d\n", ret);
	return ret;
}

/* -EPROTO: refused, a lower version may do [2.3] */
static int nvsp_try_version(struct netvsc *nv, u32 version)
{
	const struct nvsp_msg_init_complete *answer;
	union nvsp_msg msg = {};
	struct nvsp_xact xact;
	int ret;

	msg.init.type = cpu_to_le32(NVSP_INIT);
	msg.init.version_min = cpu_to_le32(version);
	msg.init.version_max = cpu_to_le32(version);
	ret = nvsp_request(nv, &msg, NVSP_INIT_COMPLETE, sizeof(*answer),
			   &xact);
	if (ret)
		return ret;

	answer = (const void *)xact.reply;
	if (le32_to_cpu(answer->status) != NVSP_STATUS_SUCCESS)
		return -EPROTO;
	return 0;
}

static int nvsp_agree_version(struct netvsc *nv)
{
	int ret = -EPROTO;
	u32 version;
	int i;

	for (i = 0; i < ARRAY_SIZE(nvsp_versions) && ret == -EPROTO; i++) {
		version = nvsp_versions[i];
		if (version < NVSP_VERSION_6_1 && netvsc_vmbus_isolated()) {
			netdev_err(nv->ndev,
				   "Invalid NVSP version 0x%x (expected >= 0x%x) from the host supporting isolation\n",
				   version, NVSP_VERSION_6_1);
			break;
		}
		ret = nvsp_try_version(nv, version);
	}
	if (ret)
		return ret;

	/* read by the receive path when a notice comes */
	WRITE_ONCE(nv->sess.version, version);
	netdev_dbg(nv->ndev, "Negotiated NVSP version:%x\n", version);
	return 0;
}

/* Capabilities of the guest that the version lets it tell [2.5] */
static u64 nvsp_capabilities(const struct netvsc *nv)
{
	u64 caps = NDIS_CAP_IEEE8021Q;

	if (nv->sess.version >= NVSP_VERSION_5)
		caps |= NDIS_CAP_TEAMING;
	if (nv->sess.version >= NVSP_VERSION_5 && !netvsc_vmbus_isolated())
		caps |= NDIS_CAP_SRIOV;
	if (nv->sess.version >= NVSP_VERSION_6_1)
		caps |= NDIS_CAP_RSC;
	return caps;
}

static int nvsp_tell_config(struct netvsc *nv)
{
	union nvsp_msg msg = {};

	if (nv->sess.version < NVSP_VERSION_2)
		return 0;

	msg.ndis_config.type = cpu_to_le32(NVSP_NDIS_CONFIG);
	msg.ndis_config.mtu = cpu_to_le32(nv->cfg.mtu + ETH_HLEN);
	nv->sess.capabilities = nvsp_capabilities(nv);
	msg.ndis_config.capabilities = cpu_to_le64(nv->sess.capabilities);
	return nvsp_tell(nv, &msg);
}

static int nvsp_tell_ndis_version(struct netvsc *nv)
{
	u32 minor = NDIS_VERSION_MINOR_1;
	union nvsp_msg msg = {};

	if (nv->sess.version >= NVSP_VERSION_5)
		minor = NDIS_VERSION_MINOR_30;

	nv->sess.ndis_minor = minor;
	msg.ndis_version.type = cpu_to_le32(NVSP_NDIS_VERSION);
	msg.ndis_version.major = cpu_to_le32(NDIS_VERSION_MAJOR);
	msg.ndis_version.minor = cpu_to_le32(minor);
	return nvsp_tell(nv, &msg);
}

/**
 * nvsp_negotiate() - agree with the host on the versions [2.1, 2.3, 2.5]
 * @nv: the device; its primary is open, nv->deadline is set
 *
 * Tries each version, newest first. A guest that is isolated from its host
 * takes none but the newest. Sets nv->sess.version.
 *
 * Context: the configuration path; may sleep.
 * Return: 0, -EPROTO if there is no common version, -ETIMEDOUT, -ENODEV, or the
 * bus's error.
 */
int nvsp_negotiate(struct netvsc *nv)
{
	int ret;

	ret = nvsp_agree_version(nv);
	if (!ret)
		ret = nvsp_tell_config(nv);
	if (!ret)
		ret = nvsp_tell_ndis_version(nv);
	return ret;
}

/* Make a buffer the host's, tell it, and wait for what it says [2.4] */
static int nvsp_share(struct netvsc *nv, const struct nvsp_buf_kind *kind,
		      struct netvsc_mem *mem, struct nvsp_xact *xact)
{
	union nvsp_msg msg = {};
	int ret;

	ret = netvsc_vmbus_share(nv->hdev->channel, mem->base, mem->bytes,
				 &mem->gpadl);
	if (ret) {
		mem->leaked |= mem->gpadl.decrypted;
		netdev_err(nv->ndev, "unable to establish %s buffer's gpadl: %d\n",
			   kind->name, ret);
		return ret;
	}
	mem->shared = true;

	msg.buf.type = cpu_to_le32(kind->offer);
	msg.buf.gpadl = cpu_to_le32(mem->gpadl.gpadl_handle);
	msg.buf.id = cpu_to_le16(kind->id);
	ret = nvsp_request(nv, &msg, kind->answer, kind->answer_min, xact);
	if (ret)
		netdev_err(nv->ndev, "unable to initialize %s buffer: %d\n",
			   kind->name, ret);
	return ret;
}

static void nvsp_unshare(struct netvsc *nv, const struct nvsp_buf_kind *kind,
			 struct netvsc_mem *mem)
{
	int ret;

	if (!mem->shared)
		return;

	ret = netvsc_vmbus_unshare(nv->hdev->channel, &mem->gpadl);
	if (ret) {
		mem->leaked = true;
		netdev_err(nv->ndev, "unable to teardown %s buffer's gpadl: %d\n",
			   kind->name, ret);
	}
	mem->shared = false;
}

/* Both answers begin like this */
static bool nvsp_buf_accepted(const struct netvsc *nv,
			      const struct nvsp_buf_kind *kind, __le32 status)
{
	if (le32_to_cpu(status) == NVSP_STATUS_SUCCESS)
		return true;

	netdev_err(nv->ndev,
		   "Unable to complete %s buffer initialization with NetVsp - status %d\n",
		   kind->name, le32_to_cpu(status));
	return false;
}

/* The host chooses where in the receive buffer it puts packets; here it says
 * how long they get, and how many there can be [2.4, 6.1]
 */
static int nvsp_check_rx_sections(const struct netvsc *nv,
				  const struct nvsp_msg_recv_buf_complete *msg)
{
	u32 bytes = nv->bufs->rx.bytes;
	u32 size = le32_to_cpu(msg->sub_alloc_size);
	u32 count = le32_to_cpu(msg->num_sub_allocs);

	if (!nvsp_buf_accepted(nv, &nvsp_rx_buf, msg->status))
		return -EINVAL;
	if (le32_to_cpu(msg->num_sections) != 1 || msg->offset) {
		netdev_err(nv->ndev, "invalid recv_section layout\n");
		return -EINVAL;
	}
	if (size < NVSP_SECTION_MIN || size > bytes) {
		netdev_err(nv->ndev, "invalid recv_section_size %u\n", size);
		return -EINVAL;
	}
	if (!count || count > NETVSC_RX_SECTIONS_MAX ||
	    (u64)size * count > bytes) {
		netdev_err(nv->ndev, "invalid recv_section count %u\n", count);
		return -EINVAL;
	}
	return 0;
}

static int nvsp_share_rx(struct netvsc *nv)
{
	const struct nvsp_msg_recv_buf_complete *answer;
	struct nvsp_xact xact;
	int ret;

	ret = nvsp_share(nv, &nvsp_rx_buf, &nv->bufs->rx, &xact);
	if (ret)
		return ret;

	answer = (const void *)xact.reply;
	ret = nvsp_check_rx_sections(nv, answer);
	if (ret)
		return ret;

	nv->sess.rx_section_size = le32_to_cpu(answer->sub_alloc_size);
	nv->sess.rx_sections = le32_to_cpu(answer->num_sub_allocs);
	return 0;
}

/* A host need not take the send buffer: without it, packets are sent as page
 * ranges. One that it took, but divides in an impossible way, stays its own
 * until the channel is closed: it might not let go of it before.
 */
static int nvsp_share_tx(struct netvsc *nv)
{
	const struct nvsp_msg_send_buf_complete *answer;
	struct netvsc_mem *mem = &nv->bufs->tx;
	struct nvsp_xact xact;
	u32 size;
	int ret;

	nv->sess.tx_section_size = 0;
	nv->sess.tx_sections = 0;
	ret = nvsp_share(nv, &nvsp_tx_buf, mem, &xact);
	if (ret)
		return ret;

	answer = (const void *)xact.reply;
	if (!nvsp_buf_accepted(nv, &nvsp_tx_buf, answer->status)) {
		nvsp_unshare(nv, &nvsp_tx_buf, mem);
		return 0;
	}
	size = le32_to_cpu(answer->section_size);
	if (size < NVSP_SECTION_MIN || size > mem->bytes || size % 4) {
		netdev_err(nv->ndev, "invalid send_section_size %u\n", size);
		return 0;
	}

	nv->sess.tx_section_size = size;
	nv->sess.tx_sections = min_t(u32, mem->bytes / size, NETVSC_TX_SECTIONS_MAX);
	return 0;
}

/**
 * nvsp_share_buffers() - give the host the receive and the send buffer [2.4]
 * @nv: the device; versions are agreed, nv->bufs has memory that is not shared
 *
 * Sets the section sizes and counts of nv->sess. No send section is shorter
 * than 68 bytes, which bounds their number. After an error, what is shared
 * stays so until nvsp_close().
 *
 * Context: the configuration path; may sleep.
 * Return: 0, -EINVAL if the host refused the receive buffer or made no sense,
 * -ETIMEDOUT, -ENODEV, or the bus's error.
 */
int nvsp_share_buffers(struct netvsc *nv)
{
	int ret;

	ret = nvsp_share_rx(nv);
	if (!ret)
		ret = nvsp_share_tx(nv);
	return ret;
}

/* Take an offered index: it must be expected, and not be taken yet */
static struct netvsc_chan *nvsp_take_index(struct netvsc *nv,
					   struct vmbus_channel *chn)
{
	u16 index = netvsc_vmbus_index(chn);
	struct netvsc_chan *ch = NULL;
	unsigned long flags;

	spin_lock_irqsave(&nv->xact_lock, flags);
	if (index >= 1 && index <= nv->offers.accept &&
	    !netvsc_vmbus_rescinded(chn) &&
	    !__test_and_set_bit(index, nv->offers.taken)) {
		ch = nv->chans[index];
		/* set before the channel's callback can come */
		ch->chn = chn;
		nv->offers.opening++;
	}
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	return ch;
}

/* The bus may call for an offer at any time, while the device goes, too. Who
 * removes the device clears the driver data, and lets a grace period pass
 * before it frees. What was taken below is waited for.
 */
static struct netvsc_chan *nvsp_take_offer(struct vmbus_channel *chn)
{
	struct netvsc_chan *ch = NULL;
	struct net_device *ndev;

	rcu_read_lock();
	ndev = hv_get_drvdata(chn->primary_channel->device_obj);
	if (ndev)
		ch = nvsp_take_index(netdev_priv(ndev), chn);
	rcu_read_unlock();
	return ch;
}

static void nvsp_offer_done(struct netvsc_chan *ch, bool open)
{
	struct netvsc *nv = ch->nv;
	unsigned long flags;

	spin_lock_irqsave(&nv->xact_lock, flags);
	if (open)
		nvsp_opened(ch, nv->offers.cb);
	else
		ch->chn = NULL;
	nv->offers.opening--;
	/* under the lock: the device may be freed once the waiter has had it */
	wake_up(&nv->offers.wait);
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

/* A subchannel is offered [5.13]. It is opened here, and not by the thread that
 * waits for it: as soon as this returns, the bus frees a rescinded channel that
 * is not open. Runs in a work queue of the bus, one for all subchannels, and
 * takes no RTNL: its owner waits for this.
 */
static void nvsp_subchannel_offered(struct vmbus_channel *chn)
{
	struct netvsc_chan *ch = nvsp_take_offer(chn);
	struct netvsc *nv;
	int ret;

	if (!ch)
		return;

	nv = ch->nv;
	ret = netvsc_vmbus_alloc_ring(chn, nv->ring_bytes);
	if (!ret)
		ret = netvsc_vmbus_open(chn, nv->offers.cb, ch);
	if (ret) {
		netvsc_vmbus_free_ring(chn);
		netdev_notice(nv->ndev, "sub channel open failed: %d\n", ret);
	}
	nvsp_offer_done(ch, !ret);
}

static void nvsp_offers_expect(struct netvsc *nv, u32 want, void (*cb)(void *))
{
	unsigned long flags;

	spin_lock_irqsave(&nv->xact_lock, flags);
	nv->offers.accept = want;
	nv->offers.cb = cb;
	bitmap_zero(nv->offers.taken, NETVSC_CHANNELS_MAX);
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

static void nvsp_offers_limit(struct netvsc *nv, u32 accept)
{
	unsigned long flags;

	spin_lock_irqsave(&nv->xact_lock, flags);
	nv->offers.accept = accept;
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

/* Every index that is expected was offered, and no callback is at work */
static bool nvsp_offers_over(struct netvsc *nv)
{
	const struct nvsp_offers *offers = &nv->offers;
	unsigned long flags;
	bool over;

	spin_lock_irqsave(&nv->xact_lock, flags);
	over = !offers->opening &&
	       find_next_zero_bit(offers->taken, offers->accept + 1, 1) >
	       offers->accept;
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	return over;
}

static void nvsp_offers_wait(struct netvsc *nv)
{
	long slice;

	while (!nvsp_offers_over(nv)) {
		slice = nvsp_slice(nv);
		if (slice < 0)
			break;
		wait_event_timeout(nv->offers.wait, nvsp_offers_over(nv),
				   slice);
	}
}

/* Ask for subchannels; returns how many the host will offer [2.9] */
static u32 nvsp_request_subchannels(struct netvsc *nv, u32 want)
{
	const struct nvsp_msg_subchannel_complete *answer;
	union nvsp_msg msg = {};
	struct nvsp_xact xact;
	u32 granted;
	int ret;

	msg.subchannel.type = cpu_to_le32(NVSP_SUBCHANNEL);
	msg.subchannel.operation = cpu_to_le32(NVSP_SUBCHANNEL_ALLOCATE);
	msg.subchannel.count = cpu_to_le32(want);
	ret = nvsp_request(nv, &msg, NVSP_SUBCHANNEL, sizeof(*answer), &xact);
	if (ret) {
		netdev_err(nv->ndev, "sub channel allocate send failed: %d\n",
			   ret);
		return 0;
	}

	answer = (const void *)xact.reply;
	if (le32_to_cpu(answer->status) != NVSP_STATUS_SUCCESS) {
		netdev_err(nv->ndev, "sub channel request failed\n");
		return 0;
	}
	granted = le32_to_cpu(answer->granted);
	if (granted > want) {
		netdev_err(nv->ndev,
			   "invalid number of allocated sub channel\n");
		return 0;
	}
	return granted;
}

/**
 * nvsp_open_subchannels() - ask for subchannels and open them [2.9, 5.13]
 * @nv: the device; its primary is open, nv->deadline is set
 * @want: subchannels without the primary; nv->chans[] 1 to @want are ready to
 *	receive
 * @cb: channel callback, called with the struct netvsc_chan
 *
 * A missing, refused or late offer means fewer queues, not an error. Channels
 * beyond the returned number may be open too, if they are behind one that is
 * not, or if the host offered more than it granted: their @cb can be called
 * until nvsp_close(), and what it needs must stay so long.
 *
 * No offer is taken any more when this returns. The bus's callback stays set,
 * and refuses all: clearing it would race with the bus's own look at it.
 *
 * Context: the configuration path; may sleep. Waits for a quarter of the time to
 * the deadline, and then without one for channels that are just being opened.
 * Return: number of subchannels, from index 1 on, that are open.
 */
u32 nvsp_open_subchannels(struct netvsc *nv, u32 want, void (*cb)(void *))
{
	unsigned long whole;
	u32 granted, n;

	want = min_t(u32, want, NETVSC_CHANNELS_MAX - 1);
	if (!want || nv->sess.version < NVSP_VERSION_5)
		return 0;

	whole = nvsp_limit_wait(nv);

	/* offers can be here before the answer has been seen */
	nvsp_offers_expect(nv, want, cb);
	netvsc_vmbus_want_offers(nv->hdev->channel, nvsp_subchannel_offered);

	granted = nvsp_request_subchannels(nv, want);
	nvsp_offers_limit(nv, granted);
	nvsp_offers_wait(nv);

	nvsp_offers_limit(nv, 0);
	wait_event(nv->offers.wait, nvsp_offers_over(nv));
	nv->deadline = whole;

	for (n = 0; n < granted; n++) {
		if (!nv->chans[n + 1]->open)
			break;
	}
	return n;
}

static void nvsp_revoke(struct netvsc *nv, const struct nvsp_buf_kind *kind,
			const struct netvsc_mem *mem)
{
	union nvsp_msg msg = {};

	if (!mem->shared)
		return;

	msg.revoke.type = cpu_to_le32(kind->revoke);
	msg.revoke.id = cpu_to_le16(kind->id);
	/* the channel is closed next, which revokes everything */
	nvsp_tell(nv, &msg);
}

/**
 * nvsp_revoke_buffers() - tell the host not to use the buffers any more [2.6]
 * @nv: the device
 *
 * They are still the host's until nvsp_close(). A host may stop all processing
 * at the first revocation. Does nothing if no channel is open.
 *
 * Context: the configuration path; may sleep until the deadline.
 */
void nvsp_revoke_buffers(struct netvsc *nv)
{
	struct netvsc_chan *ch = nv->chans[0];

	if (!ch || !ch->open || !nv->bufs)
		return;

	nvsp_revoke(nv, &nvsp_rx_buf, &nv->bufs->rx);
	nvsp_revoke(nv, &nvsp_tx_buf, &nv->bufs->tx);
}

static void nvsp_forget_channels(struct netvsc *nv)
{
	struct netvsc_chan *ch;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&nv->xact_lock, flags);
	for (i = 0; i < nv->nchans_made; i++) {
		ch = nv->chans[i];
		ch->open = false;
		ch->chn = NULL;
	}
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

/**
 * nvsp_close() - close all channels and take the buffers back [2.12]
 * @nv: the device; NAPI of all its channels is disabled, and nobody sends
 *
 * Works after a rescind and after any failure, and does nothing if nothing is
 * open. A buffer whose member leaked is set afterwards must never be freed.
 * Offers need no care: they are taken only within nvsp_open_subchannels().
 *
 * Context: the configuration path; may sleep, without a deadline.
 */
void nvsp_close(struct netvsc *nv)
{
	struct netvsc_chan *ch = nv->chans[0];
	int ret;

	if (ch && ch->open) {
		ret = netvsc_vmbus_close(ch->chn);
		if (ret)
			netdev_err(nv->ndev, "unable to close channel: %d\n",
				   ret);
	}
	nvsp_forget_channels(nv);

	if (nv->bufs) {
		nvsp_unshare(nv, &nvsp_rx_buf, &nv->bufs->rx);
		nvsp_unshare(nv, &nvsp_tx_buf, &nv->bufs->tx);
	}
}

/* A packet descriptor with one range that begins at a page */
struct nvsp_page_desc {
	u64 words[sizeof(struct vmbus_packet_mpb_array) / sizeof(u64) +
		  NR_HV_HYP_PAGES_IN_PAGE];
};

static_assert(sizeof(struct vmbus_packet_mpb_array) % sizeof(u64) == 0);

/* Returns the bytes of the descriptor [1.8] */
static u32 nvsp_describe_page(struct nvsp_page_desc *room, struct page *page,
			      u32 len)
{
	struct vmbus_packet_mpb_array *desc = (void *)room;
	u32 pfns = DIV_ROUND_UP(len, HV_HYP_PAGE_SIZE);
	u32 i;

	desc->rangecount = 1;
	desc->range.len = len;
	desc->range.offset = 0;
	for (i = 0; i < pfns; i++)
		desc->range.pfn_array[i] = page_to_hvpfn(page) + i;
	return sizeof(*desc) + pfns * sizeof(u64);
}

/**
 * nvsp_send_control() - send an RNDIS control message [2.7]
 * @nv: the device; its primary is open
 * @page: the message, from the page's first byte; must stay until the host has
 *	completed the packet or the channel is closed
 * @len: bytes of it, 1 to PAGE_SIZE
 * @id: transaction id of an exchange of kind NVSP_XACT_RNDIS that was started
 *
 * Context: process; may sleep until the deadline if the ring is full.
 * Return: 0, -EINVAL for a wrong length, -ETIMEDOUT, -ENODEV, or the bus's
 * error.
 */
int nvsp_send_control(struct netvsc *nv, struct page *page, u32 len, u64 id)
{
	struct nvsp_page_desc room = {};
	union nvsp_msg msg = {};
	u32 desc_len;
	int ret;

	if (!len || len > PAGE_SIZE)
		return -EINVAL;
	if (!nv->chans[0]->open)
		return -ENODEV;

	desc_len = nvsp_describe_page(&room, page, len);
	msg.rndis.type = cpu_to_le32(NVSP_RNDIS_PACKET);
	msg.rndis.channel_type = cpu_to_le32(NVSP_CHANNEL_CONTROL);
	msg.rndis.section_index = cpu_to_le32(NVSP_NO_SECTION);

	trace_nvsp_send_pkt(nv->ndev, 0, NVSP_CHANNEL_CONTROL, NVSP_NO_SECTION,
			    0);
	for (;;) {
		ret = netvsc_vmbus_send_pages(nv->hdev->channel, (void *)&room,
					      desc_len, &msg, sizeof(msg), id);
		if (ret != -EAGAIN)
			break;
		ret = nvsp_pause(nv);
		if (ret)
			break;
	}
	return ret;
}

/* Where in its message the table begins, 0 if nowhere. Hosts up to version 6
 * write a wrong offset into long messages [2.10].
 */
static u32 nvsp_table_offset(const struct netvsc *nv,
			     const struct nvsp_msg_indirection_table *msg,
			     u32 len)
{
	const u32 bytes = NVSP_SEND_TABLE_SIZE * sizeof(__le32);
	u32 offset = le32_to_cpu(msg->offset);

	if (READ_ONCE(nv->sess.version) <= NVSP_VERSION_6 &&
	    len >= NVSP_TABLE_OLD_SIZE)
		offset = NVSP_TABLE_OLD_OFFSET;
	if (offset < sizeof(*msg) || len < bytes || offset > len - bytes)
		return 0;
	return offset;
}

static_assert(NVSP_SEND_TABLE_SIZE == NETVSC_SEND_TABLE);

/* The host names a channel for each hash [2.10]. Its entries are reduced to the
 * channels of now; as that number may go down, their reader looks again.
 */
static int nvsp_take_table(struct netvsc *nv, const void *bytes, u32 len)
{
	const struct nvsp_msg_indirection_table *msg = bytes;
	unsigned long flags;
	u32 offset, i, entry;

	if (len < sizeof(*msg))
		return -EMSGSIZE;
	if (le32_to_cpu(msg->count) != NVSP_SEND_TABLE_SIZE) {
		if (net_ratelimit())
			netdev_err(nv->ndev,
				   "Received wrong send-table size:%u\n",
				   le32_to_cpu(msg->count));
		return -EINVAL;
	}
	offset = nvsp_table_offset(nv, msg, len);
	if (!offset) {
		if (net_ratelimit())
			netdev_err(nv->ndev,
				   "Received send-table offset too big:%u\n",
				   le32_to_cpu(msg->offset));
		return -EINVAL;
	}

	spin_lock_irqsave(&nv->xact_lock, flags);
	for (i = 0; i < NVSP_SEND_TABLE_SIZE; i++) {
		entry = get_unaligned_le32(bytes + offset + i * sizeof(__le32));
		WRITE_ONCE(nv->tx_table[i], entry % NETVSC_CHANNELS_MAX);
	}
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	return 0;
}

/* A VF comes, or is gone [2.8]. It may be long before, or after, its device is seen. */
static int nvsp_take_association(struct netvsc *nv, const void *bytes, u32 len)
{
	const struct nvsp_msg_vf_association *msg = bytes;
	unsigned long flags;
	bool allocated;
	u32 serial;

	if (len < sizeof(*msg))
		return -EMSGSIZE;
	if (!(nv->sess.capabilities & NDIS_CAP_SRIOV))
		return 0;	/* it was not told that we could */
	allocated = le32_to_cpu(msg->allocated);
	serial = le32_to_cpu(msg->serial);
	spin_lock_irqsave(&nv->xact_lock, flags);
	nv->vf.allocated = allocated;
	if (allocated)
		nv->vf.serial = serial;
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	if (net_ratelimit())
		netdev_info(nv->ndev, "VF slot %u %s\n", serial,
			    allocated ? "added" : "removed");
	netvsc_post_event(nv, NETVSC_EVENT_VF);
	return 0;
}

/* The host has taken the VF out of the path [2.8]: at once, the event work follows */
static int nvsp_take_path(struct netvsc *nv, const void *bytes, u32 len)
{
	const struct nvsp_msg_switch_data_path *msg = bytes;

	if (len < sizeof(*msg))
		return -EMSGSIZE;
	if (le32_to_cpu(msg->data_path))
		return 0;	/* that is the guest's to ask for */
	WRITE_ONCE(nv->vf.taken_back, nv->vf.taken_back + 1);
	smp_mb();	/* pairs with that of netvsc_switch_path() */
	WRITE_ONCE(nv->vf.in_use, false);
	netvsc_post_event(nv, NETVSC_EVENT_VF);
	return 0;
}

/**
 * nvsp_switch_path() - have the host send by the VF, or not any more [2.8]
 * @nv: the device
 * @vf: by the VF
 *
 * The host answers when it has, or that it cannot: then it says that the path is
 * the synthetic one.
 *
 * Context: the configuration path; may sleep until the deadline.
 * Return: 0, -ETIMEDOUT, -ENODEV, or the bus's error.
 */
int nvsp_switch_path(struct netvsc *nv, bool vf)
{
	struct nvsp_xact xact = { .kind = NVSP_XACT_EMPTY };
	union nvsp_msg msg = {};
	int ret;

	msg.data_path.type = cpu_to_le32(NVSP_SWITCH_DATA_PATH);
	msg.data_path.data_path = cpu_to_le32(vf);
	nvsp_xact_start(nv, &xact);
	ret = nvsp_send(nv, &msg, xact.id, true);
	if (ret == -ETIMEDOUT)	/* the ring had no room in all that time */
		netdev_err(nv->ndev, "Retry failed to send sw datapath msg, err: %d\n",
			   ret);
	else if (ret)
		netdev_err(nv->ndev, "Unable to send sw datapath msg, err: %d\n",
			   ret);
	else
		ret = nvsp_wait(nv, &xact.done);
	nvsp_xact_end(nv, &xact);
	return ret;
}

/**
 * nvsp_tell_path() - tell the host that the synthetic path is in use [2.8]
 * @nv: the device
 *
 * For a switch to the VF that may be in force although it failed; nobody waits.
 *
 * Context: the configuration path; may sleep until the deadline.
 */
void nvsp_tell_path(struct netvsc *nv)
{
	union nvsp_msg msg = {};

	msg.data_path.type = cpu_to_le32(NVSP_SWITCH_DATA_PATH);
	nvsp_tell(nv, &msg);
}

/**
 * nvsp_notice() - take an in-band message of the host [2.8, 2.10, 6.1]
 * @nv: the device
 * @msg: private copy of it
 * @len: its bytes
 *
 * Context: NAPI of the primary.
 * Return: 0, -EOPNOTSUPP if it is none that a host sends, -EMSGSIZE if it is
 * shorter than such a one is, -EINVAL if it makes no sense, which was said.
 */
int nvsp_notice(struct netvsc *nv, const void *msg, u32 len)
{
	if (len < sizeof(__le32))
		return -EMSGSIZE;

	switch (get_unaligned_le32(msg)) {
	case NVSP_INDIRECTION_TABLE:
		return nvsp_take_table(nv, msg, len);
	case NVSP_VF_ASSOCIATION:
		return nvsp_take_association(nv, msg, len);
	case NVSP_SWITCH_DATA_PATH:
		return nvsp_take_path(nv, msg, len);
	case NVSP_UPLINK_STATE:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}
