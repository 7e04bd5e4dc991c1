// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: what was agreed with the host, and how the channels are. Not an
 * interface: lines and names may change.
 *
 * A reader waits for RTNL, and removing a file waits for its readers. So files
 * are removed without RTNL, while the device is still there for them, and after
 * it has gone for everybody else: what a reader can hold up is memory.
 */
#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <kunit/visibility.h>

#include "hyperv_net.h"
#include "netvsc_debugfs.h"
#include "netvsc_vmbus.h"
#include "nvsp_proto.h"
#include "rndis_proto.h"

static struct dentry *netvsc_debugfs;

/**
 * struct netvsc_flag - a bit, and its name
 * @bit: the bit
 * @name: its name
 */
struct netvsc_flag {
	u64 bit;
	const char *name;
};

static const struct netvsc_flag netvsc_caps[] = {
	{ NDIS_CAP_SRIOV, "sriov" },
	{ NDIS_CAP_IEEE8021Q, "ieee8021q" },
	{ NDIS_CAP_TEAMING, "teaming" },
	{ NDIS_CAP_RSC, "rsc" },
	{ }
};

static const struct netvsc_flag netvsc_csums[] = {
	{ NETVSC_CSUM_TCP4, "tcp4" },
	{ NETVSC_CSUM_UDP4, "udp4" },
	{ NETVSC_CSUM_TCP6, "tcp6" },
	{ NETVSC_CSUM_UDP6, "udp6" },
	{ }
};

static const struct netvsc_flag netvsc_filters[] = {
	{ NDIS_FILTER_DIRECTED, "directed" },
	{ NDIS_FILTER_ALL_MULTICAST, "all-multicast" },
	{ NDIS_FILTER_BROADCAST, "broadcast" },
	{ NDIS_FILTER_PROMISCUOUS, "promiscuous" },
	{ }
};

static void netvsc_show_flags(struct seq_file *m, const char *what, u64 bits,
			      const struct netvsc_flag *flag)
{
	seq_printf(m, "%s: %#llx", what, bits);
	for (; flag->name; flag++)
		if (bits & flag->bit)
			seq_printf(m, " %s", flag->name);
	seq_putc(m, '\n');
}

static void netvsc_show_vf(struct seq_file *m, const struct netvsc *nv)
{
	const struct net_device *vf_ndev = rtnl_dereference(nv->vf.ndev);

	if (READ_ONCE(nv->vf.allocated))
		seq_printf(m, "vf-announced: %u\n", READ_ONCE(nv->vf.serial));
	if (vf_ndev)
		seq_printf(m, "vf: %s\n", netdev_name(vf_ndev));
	seq_printf(m, "path: %s\n", nv->cfg.vf_path ? "vf" : "synthetic");
}

/* What holds in every state */
static void netvsc_show_device(struct seq_file *m, const struct netvsc *nv)
{
	static const char * const states[] = {
		[NETVSC_DOWN] = "down",
		[NETVSC_CONNECTED] = "connected",
		[NETVSC_RUNNING] = "running",
		[NETVSC_DEAD] = "dead",
	};
	bool running = nv->state == NETVSC_RUNNING;

	ASSERT_RTNL();

	seq_printf(m, "interface: %s\n", netdev_name(nv->ndev));
	seq_printf(m, "state: %s\n", states[nv->state]);
	seq_printf(m, "link: %s\n", READ_ONCE(nv->link.up) ? "up" : "down");
	netvsc_show_flags(m, "filter", running ? nv->cfg.filter : 0,
			  netvsc_filters);
	netvsc_show_vf(m, nv);
	seq_printf(m, "channels: %u\n", nv->nchans);
	seq_printf(m, "channels-wanted: %u\n", nv->cfg.channels);
}

static void netvsc_show_session(struct seq_file *m, const struct netvsc *nv)
{
	const struct nvsp_session *sess = &nv->sess;

	ASSERT_RTNL();

	seq_printf(m, "nvsp: %#x\n", sess->version);
	seq_printf(m, "ndis: %u.%u\n", NDIS_VERSION_MAJOR, sess->ndis_minor);
	netvsc_show_flags(m, "capabilities", sess->capabilities, netvsc_caps);
	netvsc_show_flags(m, "host-csum", sess->csum, netvsc_csums);
	seq_printf(m, "host-tso4-max: %u\n", sess->tso4_max);
	seq_printf(m, "host-tso6-max: %u\n", sess->tso6_max);
	seq_printf(m, "host-rsc: %u\n", sess->rsc);
	seq_printf(m, "host-rss-entries: %u\n", sess->rss_entries);
	seq_printf(m, "host-channels-max: %u\n", sess->max_channels);
	seq_printf(m, "host-frame-max: %u\n", sess->frame_max);
	seq_printf(m, "host-packets-max: %u\n", sess->max_packets);
	seq_printf(m, "host-transfer-max: %u\n", sess->max_transfer);
	seq_printf(m, "host-align: %u\n", sess->align);
}

static void netvsc_show_bufs(struct seq_file *m, const struct netvsc *nv)
{
	const struct nvsp_session *sess = &nv->sess;
	u32 used;

	ASSERT_RTNL();

	/* the datapath takes them meanwhile */
	used = data_race(bitmap_weight(nv->bufs->sections, sess->tx_sections));
	seq_printf(m, "receive-bytes: %u\n", nv->bufs->rx.bytes);
	seq_printf(m, "receive-sections: %u\n", sess->rx_sections);
	seq_printf(m, "receive-section-size: %u\n", sess->rx_section_size);
	seq_printf(m, "send-bytes: %u\n", nv->bufs->tx.bytes);
	seq_printf(m, "send-sections: %u\n", sess->tx_sections);
	seq_printf(m, "send-section-size: %u\n", sess->tx_section_size);
	seq_printf(m, "send-sections-free: %u\n", sess->tx_sections - used);
}

static u32 netvsc_ring_count(const struct netvsc_free *ring)
{
	return READ_ONCE(ring->head) - READ_ONCE(ring->tail);
}

/* No lock of the datapath's: the numbers need not be of one moment */
static void netvsc_show_chan(struct seq_file *m, const struct netvsc_chan *ch)
{
	const struct netvsc_tx *tx = &ch->tx;
	u32 used = READ_ONCE(tx->fresh);

	ASSERT_RTNL();

	if (!smp_load_acquire(&ch->open)) {	/* with nvsp_opened() */
		seq_printf(m, "channel %u: closed\n", ch->index);
		return;
	}
	used -= min(used, netvsc_ring_count(&tx->free_reqs) +
			  !!READ_ONCE(tx->spare));
	seq_printf(m, "channel %u: open cpu %u requests %u/%u cached-sections %u acks %u stopped %u\n",
		   ch->index, netvsc_vmbus_cpu(ch->chn), used, NETVSC_REQS,
		   netvsc_ring_count(&tx->free_sections),
		   READ_ONCE(ch->rx.ack_head) - READ_ONCE(ch->rx.ack_tail),
		   READ_ONCE(tx->stopped));
}

VISIBLE_IF_KUNIT int netvsc_state_show(struct seq_file *m, void *unused)
{
	const struct netvsc *nv = m->private;
	u32 i;

	/* whoever has it may wait for a slow host: do not keep readers for it */
	if (rtnl_lock_killable())
		return -EINTR;
	netvsc_show_device(m, nv);
	if (netvsc_has_session(nv->state)) {
		netvsc_show_session(m, nv);
		netvsc_show_bufs(m, nv);
	}
	for (i = 0; i < nv->nchans_made; i++)
		netvsc_show_chan(m, nv->chans[i]);
	rtnl_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(netvsc_state);

/**
 * netvsc_debugfs_add() - make a device's directory
 * @nv: the device, registered
 *
 * Its name is the VMBus device's: an interface's may change.
 *
 * Context: process, probe.
 */
void netvsc_debugfs_add(struct netvsc *nv)
{
	struct dentry *dir;

	dir = debugfs_create_dir(dev_name(&nv->hdev->device), netvsc_debugfs);
	debugfs_create_file("state", 0444, dir, nv, &netvsc_state_fops);
}

/**
 * netvsc_debugfs_remove() - remove a device's directory
 * @nv: the device, unregistered, but whole
 *
 * Context: process, remove, without RTNL: waits for readers, who wait for it.
 */
void netvsc_debugfs_remove(struct netvsc *nv)
{
	debugfs_lookup_and_remove(dev_name(&nv->hdev->device), netvsc_debugfs);
}

/**
 * netvsc_debugfs_init() - make the driver's directory
 * @timeout_ms: what devices that are bound from now on begin with
 *
 * Context: process, before the driver is registered.
 */
void netvsc_debugfs_init(u32 *timeout_ms)
{
	netvsc_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_u32("timeout_ms", 0644, netvsc_debugfs, timeout_ms);
}

/**
 * netvsc_debugfs_exit() - remove the driver's directory
 *
 * Context: process; there is no device.
 */
void netvsc_debugfs_exit(void)
{
	debugfs_remove(netvsc_debugfs);
}
