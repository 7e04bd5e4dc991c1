// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module, its VMBus driver, the net_device and its operations, and the one
 * work that takes news from the lower files.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>

#include "netvsc.h"
#include "netvsc_bpf.h"
#include "netvsc_config.h"
#include "netvsc_debugfs.h"
#include "netvsc_ethtool.h"
#include "netvsc_tx.h"
#include "netvsc_vf.h"
#include "netvsc_vmbus.h"
#include "nvsp_proto.h"
#include "rndis_filter.h"
#include "rndis_proto.h"

#define NETVSC_MSG_DEFAULT \
	(NETIF_MSG_DRV | NETIF_MSG_PROBE | NETIF_MSG_LINK | NETIF_MSG_IFUP | \
	 NETIF_MSG_IFDOWN | NETIF_MSG_RX_ERR | NETIF_MSG_TX_ERR)

/* Header that hosts need in front of a frame; what stacked devices add to */
#define NETVSC_NEEDED_HEADROOM	116

static uint ring_size __ro_after_init = NETVSC_RING_PAGES;
module_param(ring_size, uint, 0444);
MODULE_PARM_DESC(ring_size, "Ring buffer size (# of 4K pages)");

static int debug = -1;
module_param(debug, int, 0444);
MODULE_PARM_DESC(debug, "Debug level (0=none,...,16=all)");

static u32 netvsc_timeout_ms = NETVSC_TIMEOUT_MS;

/* The packet filter for a receive mode [3.8] */
static u32 netvsc_filter(const struct net_device *ndev)
{
	u32 filter = NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST;

	if (ndev->flags & IFF_PROMISC)
		return NDIS_FILTER_PROMISCUOUS;
	if (!netdev_mc_empty(ndev) || (ndev->flags & IFF_ALLMULTI))
		filter |= NDIS_FILTER_ALL_MULTICAST;
	return filter;
}

static int netvsc_open(struct net_device *ndev)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_config want = nv->cfg;

	int ret;

	want.filter = netvsc_filter(ndev);
	if (want.filter != NDIS_FILTER_PROMISCUOUS)
		want.filter |= NDIS_FILTER_ALL_MULTICAST;
	ret = netvsc_reconfigure(nv, &want, NETVSC_RUNNING, NULL);
	if (!ret)
		netvsc_vf_open(nv);
	return ret;
}

static int netvsc_stop(struct net_device *ndev)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_config want = nv->cfg;
	int ret = 0;

	if (nv->state == NETVSC_RUNNING)
		ret = netvsc_reconfigure(nv, &want, NETVSC_CONNECTED, NULL);
	netvsc_vf_close(nv);
	return ret;
}

static void netvsc_change_rx_flags(struct net_device *ndev, int flags)
{
	netvsc_vf_change_flags(netdev_priv(ndev));
}

/* Atomic: the event work tells the host */
static void netvsc_set_rx_mode(struct net_device *ndev)
{
	struct netvsc *nv = netdev_priv(ndev);

	netvsc_vf_set_rx_mode(nv);
	netvsc_post_event(nv, NETVSC_EVENT_FILTER);
}

static int netvsc_change_mtu(struct net_device *ndev, int mtu)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_config want = nv->cfg;
	int ret;

	if (!netvsc_has_session(nv->state))
		return -ENODEV;
	want.mtu = mtu;
	ret = netvsc_vf_reconfigure(nv, &want, nv->state, NULL);
	if (ret && nv->state == NETVSC_DEAD)
		netdev_err(ndev, "restoring mtu failed\n");
	return ret;
}

static int netvsc_set_mac(struct net_device *ndev, void *addr)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct sockaddr *sa = addr;
	int ret;

	ret = eth_prepare_mac_addr_change(ndev, addr);
	if (ret)
		return ret;
	if (!netvsc_has_session(nv->state))
		return -ENODEV;
	ret = netvsc_vf_set_mac(nv, sa->sa_data, NULL);
	if (ret)
		return ret;
	nvsp_set_deadline(nv);
	ret = rndis_filter_set_mac(nv, sa->sa_data);
	if (!ret) {
		eth_commit_mac_addr_change(ndev, addr);
		return 0;
	}
	netvsc_vf_set_mac(nv, ndev->dev_addr, NULL);
	if (ret != -ENODEV) {
		/* an answer that is late may say that it is in force */
		nvsp_set_short_deadline(nv);
		rndis_filter_set_mac(nv, ndev->dev_addr);
	}
	return ret;
}

static int netvsc_change_features(struct net_device *ndev,
				  netdev_features_t features)
{
	int ret = netvsc_set_features(ndev, features);

	if (!ret)
		netvsc_vf_set_features(netdev_priv(ndev), features);
	return ret;
}

/* ndo_bpf: its reference to the program is ours if this returns 0 */
static int netvsc_bpf(struct net_device *ndev, struct netdev_bpf *bpf)
{
	struct netvsc *nv = netdev_priv(ndev);
	int ret;

	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	if (bpf->prog && !netvsc_has_session(nv->state))
		return -ENODEV;
	ret = netvsc_bpf_check(nv, bpf->prog, ndev->mtu, ndev->features,
			       bpf->extack);
	if (!ret)
		ret = netvsc_vf_set_prog(nv, bpf->prog, bpf->extack);
	if (!ret)
		netvsc_bpf_set(nv, bpf->prog);
	return ret;
}

static const struct net_device_ops netvsc_netdev_ops = {
	.ndo_open		= netvsc_open,
	.ndo_stop		= netvsc_stop,
	.ndo_start_xmit		= netvsc_start_xmit,
	.ndo_select_queue	= netvsc_select_queue,
	.ndo_change_rx_flags	= netvsc_change_rx_flags,
	.ndo_set_rx_mode	= netvsc_set_rx_mode,
	.ndo_change_mtu		= netvsc_change_mtu,
	.ndo_set_mac_address	= netvsc_set_mac,
	.ndo_fix_features	= netvsc_fix_features,
	.ndo_set_features	= netvsc_change_features,
	.ndo_features_check	= netvsc_features_check,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_get_stats64	= netvsc_get_stats64,
	.ndo_bpf		= netvsc_bpf,
	.ndo_xdp_xmit		= netvsc_xdp_xmit,
};

/* A host that refuses, or says nothing, is asked again when the mode changes */
static void netvsc_event_filter(struct netvsc *nv)
{
	struct netvsc_config want = nv->cfg;
	int ret;

	if (nv->state != NETVSC_RUNNING)
		return;
	want.filter = netvsc_filter(nv->ndev);
	ret = netvsc_reconfigure(nv, &want, nv->state, NULL);
	if (ret)
		netdev_err(nv->ndev, "unable to set packet filter: %d\n", ret);
}

/*
 * netvsc_event_link() - act on what the host said of the link, the last state
 *
 * A link that was down in between, or a network that changed, is shown as a
 * short loss of carrier, so that addresses are asked for again.
 * Return: jiffies until there is more to do, or 0.
 */
static unsigned long netvsc_event_link(struct netvsc *nv)
{
	struct net_device *ndev = nv->ndev;
	unsigned long now = jiffies;

	if (nv->state != NETVSC_RUNNING) {	/* nobody looks yet */
		clear_bit(NETVSC_EVENT_FLAP, &nv->events);
		netvsc_update_carrier(nv);
		return 0;
	}
	if (time_in_range_open(now, nv->link.next - NETVSC_LINK_INTERVAL,
			       nv->link.next)) {
		set_bit(NETVSC_EVENT_LINK, &nv->events);
		return nv->link.next - now;
	}
	if (test_and_clear_bit(NETVSC_EVENT_FLAP, &nv->events) &&
	    netif_carrier_ok(ndev)) {
		netvsc_set_carrier(nv, false);
		nv->link.next = now + NETVSC_LINK_INTERVAL;
		set_bit(NETVSC_EVENT_LINK, &nv->events);
		return NETVSC_LINK_INTERVAL;
	}
	if (READ_ONCE(nv->link.up) && netif_carrier_ok(ndev))
		__netdev_notify_peers(ndev);
	else
		netvsc_update_carrier(nv);
	nv->link.next = now + NETVSC_LINK_INTERVAL;
	return 0;
}

/*
 * The one event work. It never waits for RTNL: whoever removes the device holds
 * it while this is cancelled.
 */
static void netvsc_event_work(struct work_struct *work)
{
	struct netvsc *nv = container_of(work, struct netvsc, event_work.work);
	unsigned long again = 0, vf = 0;

	if (!rtnl_trylock()) {
		queue_delayed_work(system_long_wq, &nv->event_work,
				   msecs_to_jiffies(10));
		return;
	}
	if (!nv->registered)
		goto out;
	if (test_and_clear_bit(NETVSC_EVENT_SUBCHANNELS, &nv->events))
		netvsc_add_subchannels(nv);
	if (test_and_clear_bit(NETVSC_EVENT_CHANNEL, &nv->events))
		netvsc_replace_channels(nv);
	if (test_and_clear_bit(NETVSC_EVENT_FILTER, &nv->events))
		netvsc_event_filter(nv);
	if (test_and_clear_bit(NETVSC_EVENT_VF, &nv->events)) {
		vf = netvsc_vf_work(nv);
		if (vf)
			set_bit(NETVSC_EVENT_VF, &nv->events);
	}
	if (test_and_clear_bit(NETVSC_EVENT_KEEPALIVE, &nv->events) &&
	    netvsc_has_session(nv->state))
		rndis_filter_answer_keepalive(nv);
	if (test_and_clear_bit(NETVSC_EVENT_LINK, &nv->events) ||
	    test_bit(NETVSC_EVENT_FLAP, &nv->events))
		again = netvsc_event_link(nv);
out:
	rtnl_unlock();
	if (!again || (vf && vf < again))
		again = vf;
	if (again)
		queue_delayed_work(system_long_wq, &nv->event_work, again);
}

static void netvsc_init(struct netvsc *nv, struct net_device *ndev,
			struct hv_device *hdev)
{
	nv->ndev = ndev;
	nv->hdev = hdev;
	nv->msg_enable = netif_msg_init(debug, NETVSC_MSG_DEFAULT);
	nv->l4_hash = NETVSC_HASH_ALL;
	nv->duplex = DUPLEX_FULL;
	nv->ring_bytes = VMBUS_RING_SIZE(ring_size * 4096);
	nv->timeout_ms = READ_ONCE(netvsc_timeout_ms);
	nv->link.up = true;
	nv->link.speed = SPEED_UNKNOWN;
	nv->link.next = jiffies;
	spin_lock_init(&nv->xact_lock);
	INIT_LIST_HEAD(&nv->xacts);
	INIT_LIST_HEAD(&nv->requests);
	init_waitqueue_head(&nv->offers.wait);
	INIT_DELAYED_WORK(&nv->event_work, netvsc_event_work);
	netvsc_config_init(nv);
}

static void netvsc_init_netdev(struct net_device *ndev)
{
	ndev->netdev_ops = &netvsc_netdev_ops;
	ndev->ethtool_ops = &netvsc_ethtool_ops;
	ndev->stat_ops = &netvsc_stat_ops;
	ndev->needed_headroom = NETVSC_NEEDED_HEADROOM;
	ndev->min_mtu = NETVSC_MTU_MIN;
	ndev->xdp_metadata_ops = &netvsc_xdp_metadata_ops;
	xdp_set_features_flag(ndev, NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			      NETDEV_XDP_ACT_NDO_XMIT | NETDEV_XDP_ACT_RX_SG |
			      NETDEV_XDP_ACT_NDO_XMIT_SG);
	/* the VF's transmit lock is taken inside of ours */
	netdev_lockdep_set_classes(ndev);
	netif_carrier_off(ndev);
}

static void netvsc_set_alias(struct net_device *ndev, const char *name)
{
	size_t len = strlen(name);

	if (len && !rcu_access_pointer(ndev->ifalias))
		dev_set_alias(ndev, name, len);
}

static int netvsc_register(struct netvsc *nv)
{
	struct net_device *ndev = nv->ndev;
	int ret;

	eth_hw_addr_set(ndev, nv->sess.mac);
	ndev->features = ndev->hw_features | NETIF_F_HIGHDMA |
			 NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX;
	ndev->vlan_features = ndev->features;
	nv->cfg.features = ndev->features;
	rtnl_lock();
	ret = register_netdevice(ndev);
	nv->registered = !ret;
	if (!ret) {
		netvsc_set_alias(ndev, nv->sess.name);
		netvsc_vf_add(nv);
	}
	rtnl_unlock();
	if (ret)
		netdev_err(ndev, "Unable to register netdev.\n");
	else
		netvsc_post_event(nv, NETVSC_EVENT_SUBCHANNELS);
	return ret;
}

static void netvsc_free(struct netvsc *nv)
{
	hv_set_drvdata(nv->hdev, NULL);
	synchronize_rcu();
	netvsc_config_free(nv);
	free_percpu(nv->vf.stats);
	free_netdev(nv->ndev);
}

/*
 * The host has offered a network adapter. Connects without RTNL, and takes it
 * to register only: offers of subchannels, which wait for the bus, need neither.
 */
static int netvsc_probe(struct hv_device *hdev,
			const struct hv_vmbus_device_id *id)
{
	struct net_device *ndev;
	struct netvsc *nv;
	int ret;

	if (netvsc_vmbus_index(hdev->channel))
		return -ENODEV;	/* a subchannel whose primary is not there */
	if (netvsc_vmbus_isolated()) {
		/* would need bounce buffers */
		dev_err(&hdev->device, "isolated guests are not supported\n");
		return -EOPNOTSUPP;
	}
	ndev = alloc_etherdev_mq(sizeof(*nv), NETVSC_CHANNELS_MAX);
	if (!ndev)
		return -ENOMEM;
	nv = netdev_priv(ndev);
	SET_NETDEV_DEV(ndev, &hdev->device);
	dma_set_min_align_mask(&hdev->device, HV_HYP_PAGE_SIZE - 1);
	netvsc_init(nv, ndev, hdev);
	netvsc_init_netdev(ndev);
	hv_set_drvdata(hdev, ndev);
	nv->vf.stats = netdev_alloc_pcpu_stats(struct netvsc_vf_stats);
	if (!nv->vf.stats) {
		ret = -ENOMEM;
		goto err;
	}
	ret = netvsc_config_connect(nv);
	if (ret) {
		netdev_err(ndev, "unable to add netvsc device (ret %d)\n", ret);
		goto err;
	}
	ret = netvsc_register(nv);
	if (ret)
		goto err;
	netvsc_debugfs_add(nv);
	return 0;

err:
	rtnl_lock();
	netvsc_config_disconnect(nv);
	rtnl_unlock();
	cancel_delayed_work_sync(&nv->event_work);
	netvsc_free(nv);
	return ret;
}

static void netvsc_remove(struct hv_device *hdev)
{
	struct net_device *ndev = hv_get_drvdata(hdev);
	struct netvsc *nv = netdev_priv(ndev);

	rtnl_lock();
	netvsc_vf_remove(nv);
	netif_device_detach(ndev);
	dev_close(ndev);
	netvsc_config_disconnect(nv);
	unregister_netdevice(ndev);
	nv->registered = false;
	rtnl_unlock();
	netvsc_debugfs_remove(nv);
	cancel_delayed_work_sync(&nv->event_work);
	netvsc_free(nv);
}

static const struct hv_vmbus_device_id netvsc_ids[] = {
	{ HV_NIC_GUID },
	{ },
};
MODULE_DEVICE_TABLE(vmbus, netvsc_ids);

static struct hv_driver netvsc_driver = {
	.name = KBUILD_MODNAME,
	.id_table = netvsc_ids,
	.probe = netvsc_probe,
	.remove = netvsc_remove,
	.driver = {
		/* names follow the order of the offers */
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
	},
};

static int __init netvsc_module_init(void)
{
	int ret;

	if (ring_size < NETVSC_RING_PAGES_MIN) {
		ring_size = NETVSC_RING_PAGES_MIN;
		pr_info("Increased ring_size to %u (min allowed)\n", ring_size);
	}
	if (ring_size > NETVSC_RING_PAGES_MAX) {
		ring_size = NETVSC_RING_PAGES_MAX;
		pr_info("Decreased ring_size to %u (max possible)\n", ring_size);
	}
	ret = netvsc_vf_init();
	if (ret)
		return ret;
	netvsc_debugfs_init(&netvsc_timeout_ms);
	ret = vmbus_driver_register(&netvsc_driver);
	if (ret) {
		netvsc_debugfs_exit();
		netvsc_vf_exit();
	}
	return ret;
}

static void __exit netvsc_module_exit(void)
{
	vmbus_driver_unregister(&netvsc_driver);
	netvsc_debugfs_exit();
	netvsc_vf_exit();
}

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Microsoft Hyper-V network driver");

module_init(netvsc_module_init);
module_exit(netvsc_module_exit);
