// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VF: a PCI function that the host gives beside the interface, for the same
 * address. It joins the interface as its lower device: what it receives is the
 * interface's, and packets go by it while the host has switched the data path.
 *
 * Association by the host and arrival of the PCI device come in any order, and
 * nothing here waits for either: what is missing is done by the event work when
 * it comes. A VF is used when it is allocated, joined, up, has a link and the
 * interface's address, takes packets as long as its, and runs its XDP program.
 */
#include <linux/bpf.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <net/bonding.h>
#include <net/net_namespace.h>

#include "netvsc_bpf.h"
#include "netvsc_config.h"
#include "netvsc_tx.h"
#include "netvsc_vf.h"

/* So long a new VF's name is its own to change: an interface that is up keeps it */
#define NETVSC_VF_SETUP_DELAY	(HZ / 10)
/* A path that has just gone back is not left again at once */
#define NETVSC_VF_INTERVAL	HZ
/* and twice as long after each failure, so many times */
#define NETVSC_VF_FAILURES	6

/* All devices; RTNL */
static LIST_HEAD(netvsc_vf_devices);

static struct net_device *netvsc_vf_ndev(const struct netvsc *nv)
{
	return rtnl_dereference(nv->vf.ndev);
}

static bool netvsc_vf_allocated(struct netvsc *nv, u32 *serial)
{
	unsigned long flags;
	bool allocated;

	spin_lock_irqsave(&nv->xact_lock, flags);
	*serial = nv->vf.serial;
	allocated = nv->vf.allocated;
	spin_unlock_irqrestore(&nv->xact_lock, flags);
	return allocated;
}

/* --- who is whose --- */

static bool netvsc_vf_is_candidate(const struct net_device *vf_ndev)
{
	return vf_ndev->type == ARPHRD_ETHER && vf_ndev->dev.parent &&
	       dev_is_pci(vf_ndev->dev.parent) && !is_vlan_dev(vf_ndev) &&
	       !netif_is_bond_master(vf_ndev);
}

/* Hosts number VFs by the hot plug slot: its name is the number [2.8] */
static bool netvsc_vf_serial(const struct net_device *vf_ndev, u32 *serial)
{
	const struct pci_slot *slot = to_pci_dev(vf_ndev->dev.parent)->slot;

	return slot && !kstrtou32(pci_slot_name(slot), 10, serial);
}

static bool netvsc_vf_has_address(const struct netvsc *nv,
				  const struct net_device *vf_ndev)
{
	/* its own permanent address is not known until it is registered */
	return ether_addr_equal(vf_ndev->perm_addr, nv->ndev->perm_addr) ||
	       ether_addr_equal(vf_ndev->dev_addr, nv->ndev->perm_addr);
}

/*
 * netvsc_vf_owner() - the device that a candidate is the VF of
 *
 * One that the host has announced, of the same address: the same serial first.
 */
static struct netvsc *netvsc_vf_owner(const struct net_device *vf_ndev)
{
	struct netvsc *nv, *other = NULL;
	u32 serial, own;
	bool known;

	ASSERT_RTNL();
	if (!netvsc_vf_is_candidate(vf_ndev) ||
	    netdev_is_rx_handler_busy((struct net_device *)vf_ndev))
		return NULL;
	known = netvsc_vf_serial(vf_ndev, &own);
	list_for_each_entry(nv, &netvsc_vf_devices, vf.node) {
		if (netvsc_vf_ndev(nv) || !netvsc_vf_allocated(nv, &serial) ||
		    !netvsc_vf_has_address(nv, vf_ndev))
			continue;
		if (known && own == serial)
			return nv;
		other = other ?: nv;
	}
	return other;
}

static struct netvsc *netvsc_vf_joined(const struct net_device *vf_ndev)
{
	struct netvsc *nv;

	ASSERT_RTNL();
	list_for_each_entry(nv, &netvsc_vf_devices, vf.node)
		if (netvsc_vf_ndev(nv) == vf_ndev)
			return nv;
	return NULL;
}

static struct netvsc *netvsc_vf_self(const struct net_device *ndev)
{
	struct netvsc *nv;

	ASSERT_RTNL();
	list_for_each_entry(nv, &netvsc_vf_devices, vf.node)
		if (nv->ndev == ndev)
			return nv;
	return NULL;
}

/* Why a PCI device found nobody */
static void netvsc_vf_tell_alone(const struct net_device *vf_ndev)
{
	const struct pci_slot *slot = to_pci_dev(vf_ndev->dev.parent)->slot;
	struct netvsc *nv;
	u32 serial;

	/* perhaps it is only early */
	list_for_each_entry(nv, &netvsc_vf_devices, vf.node)
		if (!netvsc_vf_ndev(nv) && netvsc_vf_has_address(nv, vf_ndev)) {
			netdev_info(nv->ndev, "Waiting for the VF association from host\n");
			return;
		}
	if (!slot)
		netdev_notice(vf_ndev, "no PCI slot information\n");
	else if (!netvsc_vf_serial(vf_ndev, &serial))
		netdev_notice(vf_ndev, "Invalid vf serial:%s\n",
			      pci_slot_name(slot));
	else
		netdev_notice(vf_ndev, "no netdev found for vf serial:%u\n",
			      serial);
}

/* --- the data path --- */

/* May packets go by the VF? */
static bool netvsc_vf_usable(struct netvsc *nv)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);
	u32 serial;

	return vf_ndev && nv->vf.set_up && nv->state == NETVSC_RUNNING &&
	       netif_running(vf_ndev) && netif_carrier_ok(vf_ndev) &&
	       vf_ndev->mtu >= nv->ndev->mtu &&
	       ether_addr_equal(vf_ndev->dev_addr, nv->ndev->dev_addr) &&
	       (nv->vf.has_prog || !rcu_access_pointer(nv->xdp_prog)) &&
	       netvsc_vf_allocated(nv, &serial);
}

/* Switch the data path. The more often that fails, the longer until it is tried again. */
static void netvsc_vf_switch(struct netvsc *nv, bool vf)
{
	struct netvsc_config want = nv->cfg;

	want.vf_path = vf;
	netvsc_reconfigure(nv, &want, nv->state, NULL);
	if (vf && !nv->cfg.vf_path && nv->vf.failures < NETVSC_VF_FAILURES)
		nv->vf.failures++;
	nv->vf.next = jiffies + (NETVSC_VF_INTERVAL << nv->vf.failures);
}

/* The host has switched back: so do we, and tell it that we have */
static void netvsc_vf_follow(struct netvsc *nv)
{
	u32 back = READ_ONCE(nv->vf.taken_back);

	if (back == nv->vf.seen_back)
		return;
	nv->vf.seen_back = back;
	if (!nv->cfg.vf_path)
		return;		/* it is back already */
	if (time_after(jiffies, nv->vf.next +
		       (NETVSC_VF_INTERVAL << NETVSC_VF_FAILURES)))
		nv->vf.failures = 0;	/* it was good for long */
	if (nv->vf.failures < NETVSC_VF_FAILURES)
		nv->vf.failures++;
	netvsc_vf_switch(nv, false);
}

/* Switch the data path; to the VF it may take a while */
static unsigned long netvsc_vf_update(struct netvsc *nv, bool usable)
{
	unsigned long now = jiffies;

	if (usable == nv->cfg.vf_path)
		return 0;
	if (usable && time_before(now, nv->vf.next))
		return nv->vf.next - now;
	if (!usable)
		nv->vf.failures = 0;	/* the host did its part */
	netvsc_vf_switch(nv, usable);
	return usable && !nv->cfg.vf_path ? nv->vf.next - now : 0;
}

/* --- what a VF gets of the interface's settings --- */

static rx_handler_result_t netvsc_vf_receive(struct sk_buff **pskb)
{
	struct sk_buff *skb = skb_share_check(*pskb, GFP_ATOMIC);
	struct netvsc_vf_stats *stats;
	struct net_device *ndev;
	struct netvsc *nv;

	*pskb = skb;
	if (unlikely(!skb))
		return RX_HANDLER_CONSUMED;
	ndev = rcu_dereference(skb->dev->rx_handler_data);
	nv = netdev_priv(ndev);
	if (unlikely(!netif_running(ndev))) {
		dev_core_stats_rx_dropped_inc(ndev);
		kfree_skb(skb);
		return RX_HANDLER_CONSUMED;
	}
	skb->dev = ndev;
	stats = this_cpu_ptr(nv->vf.stats);
	u64_stats_update_begin(&stats->syncp);
	u64_stats_inc(&stats->rx_packets);
	u64_stats_add(&stats->rx_bytes, skb->len);
	u64_stats_update_end(&stats->syncp);
	return RX_HANDLER_ANOTHER;
}

static void netvsc_vf_sync_flag(struct netvsc *nv, struct net_device *vf_ndev,
				u32 flag, int (*set)(struct net_device *, int))
{
	bool on = nv->ndev->flags & flag;

	if (on == !!(nv->vf.flags & flag) || set(vf_ndev, on ? 1 : -1))
		return;
	nv->vf.flags ^= flag;
}

/**
 * netvsc_vf_change_flags() - promiscuous or all multicast has changed
 * @nv: the device
 *
 * Context: process, RTNL.
 */
void netvsc_vf_change_flags(struct netvsc *nv)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);

	if (!vf_ndev)
		return;
	netvsc_vf_sync_flag(nv, vf_ndev, IFF_PROMISC, dev_set_promiscuity);
	netvsc_vf_sync_flag(nv, vf_ndev, IFF_ALLMULTI, dev_set_allmulti);
}

/**
 * netvsc_vf_set_rx_mode() - the address lists have changed
 * @nv: the device
 *
 * Context: the interface's address lock.
 */
void netvsc_vf_set_rx_mode(struct netvsc *nv)
{
	struct net_device *vf_ndev;

	rcu_read_lock();
	vf_ndev = rcu_dereference(nv->vf.ndev);
	if (vf_ndev) {
		dev_uc_sync(vf_ndev, nv->ndev);
		dev_mc_sync(vf_ndev, nv->ndev);
	}
	rcu_read_unlock();
}

/**
 * netvsc_vf_set_features() - the interface's features have changed
 * @nv: the device
 * @features: to those
 *
 * The VF's are as near to them as it can.
 *
 * Context: process, RTNL.
 */
void netvsc_vf_set_features(struct netvsc *nv, netdev_features_t features)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);
	netdev_features_t csums = 0;

	if (!vf_ndev)
		return;
	/* one that has it for all protocols does what we do for some */
	if (features & (NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM))
		csums = NETIF_F_HW_CSUM;
	vf_ndev->wanted_features = (features | csums) & vf_ndev->hw_features;
	netdev_update_features(vf_ndev);
}

/* A VLAN above the interface, or NULL: a VF that filters has to let it through */
static int netvsc_vf_add_vlan(struct net_device *vlan, int vid, void *vf_ndev)
{
	if (vlan && vlan_vid_add(vf_ndev, vlan_dev_vlan_proto(vlan), vid))
		netdev_warn(vf_ndev, "unable to filter for VLAN %d\n", vid);
	return 0;
}

static int netvsc_vf_del_vlan(struct net_device *vlan, int vid, void *vf_ndev)
{
	if (vlan)
		vlan_vid_del(vf_ndev, vlan_dev_vlan_proto(vlan), vid);
	return 0;
}

static int netvsc_vf_set_mtu(struct net_device *vf_ndev, u32 mtu)
{
	int ret = dev_set_mtu(vf_ndev, mtu);

	if (ret)
		netdev_warn(vf_ndev, "unable to change mtu to %u\n", mtu);
	return ret;
}

static int netvsc_vf_set_address(struct net_device *vf_ndev, const u8 *addr,
				 struct netlink_ext_ack *extack)
{
	struct sockaddr_storage sa = { .ss_family = vf_ndev->type };

	memcpy(((struct sockaddr *)&sa)->sa_data, addr, ETH_ALEN);
	return dev_set_mac_address(vf_ndev, (struct sockaddr *)&sa, extack);
}

/* The spreading of flows, as far as a VF's table can have it */
static int netvsc_vf_set_rss(struct net_device *vf_ndev,
			     const struct netvsc_rss *rss,
			     struct netlink_ext_ack *extack)
{
	const struct ethtool_ops *ops = vf_ndev->ethtool_ops;
	struct ethtool_rxfh_param rxfh = {};
	u32 i, queues = vf_ndev->real_num_rx_queues;
	int ret;

	if (!ops || !ops->set_rxfh || !ops->get_rxfh_indir_size)
		return 0;
	rxfh.indir_size = ops->get_rxfh_indir_size(vf_ndev);
	rxfh.indir = kcalloc(rxfh.indir_size, sizeof(u32), GFP_KERNEL);
	if (!rxfh.indir)
		return -ENOMEM;
	for (i = 0; i < rxfh.indir_size; i++)
		rxfh.indir[i] = rss->table[i % NETVSC_RSS_TABLE_MAX] % queues;
	if (ops->get_rxfh_key_size &&
	    ops->get_rxfh_key_size(vf_ndev) == NETVSC_HASH_KEY_LEN) {
		rxfh.key = (u8 *)rss->key;
		rxfh.key_size = NETVSC_HASH_KEY_LEN;
	}
	ret = ops->set_rxfh(vf_ndev, &rxfh, extack);
	kfree(rxfh.indir);
	return ret == -EOPNOTSUPP ? 0 : ret;
}

/* Settings of a configuration that a VF has, too, where they change */
static int netvsc_vf_apply(struct net_device *vf_ndev,
			   const struct netvsc_config *old,
			   const struct netvsc_config *want,
			   struct netlink_ext_ack *extack)
{
	int ret = 0;

	if (want->mtu != old->mtu)
		ret = netvsc_vf_set_mtu(vf_ndev, want->mtu);
	if (!ret && memcmp(&want->rss, &old->rss, sizeof(old->rss)))
		ret = netvsc_vf_set_rss(vf_ndev, &want->rss, extack);
	return ret;
}

/**
 * netvsc_vf_reconfigure() - make a change that concerns the VF, too
 * @nv: the device
 * @want: configuration to have
 * @target: state to end in
 * @extack: where a refusal is explained, or NULL
 *
 * The VF first, as it is the one that refuses more; it goes back if the host does
 * not take the change, and follows what the host makes of it.
 *
 * Context: process, RTNL. Return: 0 or a negative error: both are as before.
 */
int netvsc_vf_reconfigure(struct netvsc *nv, const struct netvsc_config *want,
			  enum netvsc_state target, struct netlink_ext_ack *extack)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);
	u32 mtu = nv->cfg.mtu;
	int ret;

	ASSERT_RTNL();
	if (!vf_ndev || !nv->vf.set_up)
		return netvsc_reconfigure(nv, want, target, extack);
	ret = netvsc_vf_apply(vf_ndev, &nv->cfg, want, extack);
	if (!ret)
		ret = netvsc_reconfigure(nv, want, target, extack);
	if (ret)
		netvsc_vf_apply(vf_ndev, want, &nv->cfg, NULL);
	else if (nv->cfg.mtu != want->mtu)
		netvsc_vf_set_mtu(vf_ndev, nv->cfg.mtu);
	/* a program that it refused may be one for frames as long as these */
	if (nv->cfg.mtu != mtu && !nv->vf.has_prog)
		netvsc_vf_set_prog(nv, rtnl_dereference(nv->xdp_prog), NULL);
	return ret;
}

/**
 * netvsc_vf_set_mac() - give the VF another address
 * @nv: the device
 * @addr: address
 * @extack: where a refusal is explained, or NULL
 *
 * Context: process, RTNL. Return: 0, also without a VF, or a negative error.
 */
int netvsc_vf_set_mac(struct netvsc *nv, const u8 *addr,
		      struct netlink_ext_ack *extack)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);

	if (!vf_ndev || ether_addr_equal(vf_ndev->dev_addr, addr))
		return 0;
	return netvsc_vf_set_address(vf_ndev, addr, extack);
}

static int netvsc_vf_install(struct net_device *vf_ndev, struct bpf_prog *prog,
			     struct netlink_ext_ack *extack)
{
	struct netdev_bpf bpf = {
		.command = XDP_SETUP_PROG,
		.prog = prog,
		.extack = extack,
	};
	int ret;

	if (prog)
		bpf_prog_inc(prog);
	ret = dev_xdp_propagate(vf_ndev, &bpf);
	if (ret && prog)
		bpf_prog_put(prog);
	return ret;
}

/* May it run this one? What a program asks of frames is answered by the driver that
 * it is bound to, which knows its own frames only.
 */
static bool netvsc_vf_runs(const struct net_device *vf_ndev,
			   const struct bpf_prog *prog)
{
	return prog && vf_ndev->netdev_ops->ndo_bpf &&
	       !bpf_prog_is_dev_bound(prog->aux);
}

/**
 * netvsc_vf_set_prog() - have the VF run another XDP program
 * @nv: the device
 * @prog: program, or NULL; its reference stays the caller's
 * @extack: where a refusal is explained, or NULL
 *
 * A VF that cannot run it is not used while there is one.
 *
 * Context: process, RTNL. Return: 0, or the VF's error: it runs what it did.
 */
int netvsc_vf_set_prog(struct netvsc *nv, struct bpf_prog *prog,
		       struct netlink_ext_ack *extack)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);
	bool runs;
	int ret = 0;

	if (!vf_ndev)
		return 0;
	netvsc_post_event(nv, NETVSC_EVENT_VF);
	runs = netvsc_vf_runs(vf_ndev, prog);
	if (prog && !runs)
		netvsc_vf_update(nv, false);	/* no packet is to pass by it */
	if (runs || nv->vf.has_prog)
		ret = netvsc_vf_install(vf_ndev, runs ? prog : NULL, extack);
	if (ret) {
		netdev_err(nv->ndev, "vf_setxdp failed:%d\n", ret);
		NL_SET_ERR_MSG_MOD(extack, "vf_setxdp failed");
		return ret;
	}
	nv->vf.has_prog = runs;
	return 0;
}

/* --- joining and leaving --- */

static int netvsc_vf_link(struct netvsc *nv, struct net_device *vf_ndev)
{
	struct net_device *ndev = nv->ndev;
	int ret;

	ret = netdev_rx_handler_register(vf_ndev, netvsc_vf_receive, ndev);
	if (ret) {
		netdev_err(vf_ndev, "can not register netvsc VF receive handler (err = %d)\n",
			   ret);
		return ret;
	}
	ret = netdev_master_upper_dev_link(vf_ndev, ndev, NULL, NULL, NULL);
	if (ret) {
		netdev_err(vf_ndev, "can not set master device %s (err = %d)\n",
			   ndev->name, ret);
		netdev_rx_handler_unregister(vf_ndev);
	}
	return ret;
}

/* User space is to leave it alone */
static void netvsc_vf_mark(struct net_device *vf_ndev, bool slave)
{
	if (slave) {
		vf_ndev->flags |= IFF_SLAVE;
		vf_ndev->priv_flags |= IFF_NO_ADDRCONF;
	} else {
		vf_ndev->flags &= ~IFF_SLAVE;
		vf_ndev->priv_flags &= ~IFF_NO_ADDRCONF;
	}
}

/* @delay: jiffies until it is set up, in which its name may still be changed */
static void netvsc_vf_join(struct netvsc *nv, struct net_device *vf_ndev,
			   unsigned long delay)
{
	struct net_device *ndev = nv->ndev;

	ASSERT_RTNL();
	if (netvsc_vf_link(nv, vf_ndev)) {
		netvsc_vf_mark(vf_ndev, false);
		return;
	}
	netvsc_vf_mark(vf_ndev, true);
	netdev_hold(vf_ndev, &nv->vf.tracker, GFP_KERNEL);
	nv->vf.set_up = false;
	nv->vf.flags = 0;
	nv->vf.has_prog = false;
	nv->vf.failures = 0;
	nv->vf.next = jiffies;
	nv->vf.due = jiffies + delay;
	nv->vf.headroom = ndev->needed_headroom;
	rcu_assign_pointer(nv->vf.ndev, vf_ndev);
	netdev_info(ndev, "VF registering: %s\n", vf_ndev->name);
	call_netdevice_notifiers(NETDEV_JOIN, vf_ndev);
	netdev_info(vf_ndev, "joined to %s\n", ndev->name);
	ndev->needed_headroom = max(ndev->needed_headroom,
				    vf_ndev->needed_headroom);
	netvsc_post_event(nv, NETVSC_EVENT_VF);
}

/* Give it the interface's settings, and open it */
static void netvsc_vf_set_up(struct netvsc *nv, struct net_device *vf_ndev)
{
	struct net_device *ndev = nv->ndev;
	int ret;

	netvsc_vf_set_mtu(vf_ndev, ndev->mtu);
	if (netvsc_vf_set_mac(nv, ndev->dev_addr, NULL))
		netdev_warn(vf_ndev, "unable to change address\n");
	netvsc_vf_change_flags(nv);
	netif_addr_lock_bh(ndev);
	netvsc_vf_set_rx_mode(nv);
	netif_addr_unlock_bh(ndev);
	vlan_for_each(ndev, netvsc_vf_add_vlan, vf_ndev);
	netvsc_vf_set_features(nv, ndev->features);
	if (netif_is_rxfh_configured(ndev) &&
	    netvsc_vf_set_rss(vf_ndev, &nv->cfg.rss, NULL))
		netdev_notice(vf_ndev, "unable to spread flows as %s does\n",
			      ndev->name);
	netvsc_vf_set_prog(nv, rtnl_dereference(nv->xdp_prog), NULL);
	nv->vf.set_up = true;
	if (!netif_running(ndev))
		return;
	ret = dev_open(vf_ndev, NULL);
	if (ret)
		netdev_warn(vf_ndev, "unable to open slave: %s: %d\n",
			    vf_ndev->name, ret);
}

/* Take back what netvsc_vf_set_up() gave */
static void netvsc_vf_undo(struct netvsc *nv, struct net_device *vf_ndev)
{
	if (nv->vf.has_prog)
		netvsc_vf_install(vf_ndev, NULL, NULL);
	nv->vf.has_prog = false;
	if (nv->vf.flags & IFF_PROMISC)
		dev_set_promiscuity(vf_ndev, -1);
	if (nv->vf.flags & IFF_ALLMULTI)
		dev_set_allmulti(vf_ndev, -1);
	nv->vf.flags = 0;
	dev_uc_unsync(vf_ndev, nv->ndev);
	dev_mc_unsync(vf_ndev, nv->ndev);
	if (nv->vf.set_up)
		vlan_for_each(nv->ndev, netvsc_vf_del_vlan, vf_ndev);
}

/* @comes_again: it is registered anew at once, and is to be marked all the time */
static void netvsc_vf_leave(struct netvsc *nv, bool comes_again)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);
	struct net_device *ndev = nv->ndev;

	ASSERT_RTNL();
	netdev_info(ndev, "VF unregistering: %s\n", vf_ndev->name);
	netvsc_vf_update(nv, false);
	netvsc_vf_undo(nv, vf_ndev);
	RCU_INIT_POINTER(nv->vf.ndev, NULL);
	netdev_rx_handler_unregister(vf_ndev);
	netdev_upper_dev_unlink(vf_ndev, ndev);
	if (!comes_again)
		netvsc_vf_mark(vf_ndev, false);
	ndev->needed_headroom = nv->vf.headroom;
	synchronize_net();	/* who sends has it from a pointer */
	netdev_put(vf_ndev, &nv->vf.tracker);
}

/* It is registered anew there: it leaves, and joins again */
static int netvsc_vf_move(struct netvsc *nv, struct net_device *vf_ndev)
{
	return dev_change_net_namespace(vf_ndev, dev_net(nv->ndev), "eth%d");
}

/* The interface has gone to another namespace */
static int netvsc_vf_move_after(struct netvsc *nv, struct net_device *vf_ndev)
{
	int ret = netvsc_vf_move(nv, vf_ndev);

	if (ret)
		netdev_err(vf_ndev, "Cannot move to same namespace as %s: %d\n",
			   nv->ndev->name, ret);
	else
		netdev_info(vf_ndev, "Moved VF to namespace with: %s\n",
			    nv->ndev->name);
	return ret;
}

/* A device that was there before it was announced, or is in another namespace: where
 * it is moved to ours, it joins as it registers there
 */
static void netvsc_vf_look(struct netvsc *nv)
{
	struct net_device *vf_ndev;
	struct net *net;
	int ret;

	down_read(&net_rwsem);
	for_each_net(net)
		for_each_netdev(net, vf_ndev)
			if (netvsc_vf_owner(vf_ndev) == nv)
				goto found;
	up_read(&net_rwsem);
	return;

found:
	up_read(&net_rwsem);	/* RTNL keeps the device, and so its namespace */
	netvsc_vf_mark(vf_ndev, true);
	if (net_eq(net, dev_net(nv->ndev))) {
		netvsc_vf_join(nv, vf_ndev, 0);
		return;
	}
	ret = netvsc_vf_move(nv, vf_ndev);
	if (ret) {
		netvsc_vf_mark(vf_ndev, false);
		netdev_err(vf_ndev, "could not move to same namespace as %s: %d\n",
			   nv->ndev->name, ret);
	} else {
		netdev_info(vf_ndev, "VF moved to namespace with: %s\n",
			    nv->ndev->name);
	}
}

/**
 * netvsc_vf_work() - do what can be done about the VF now
 * @nv: the device
 *
 * Context: the event work, RTNL. Return: jiffies until there is more to do, or 0.
 */
unsigned long netvsc_vf_work(struct netvsc *nv)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);
	unsigned long delay;
	u32 serial;

	netvsc_vf_follow(nv);
	if (!vf_ndev) {
		if (netvsc_vf_allocated(nv, &serial))
			netvsc_vf_look(nv);
		return 0;
	}
	if (!net_eq(dev_net(vf_ndev), dev_net(nv->ndev)) &&
	    !netvsc_vf_move_after(nv, vf_ndev))
		return 0;
	if (!nv->vf.set_up) {
		if (time_before(jiffies, nv->vf.due))
			return nv->vf.due - jiffies;
		netvsc_vf_set_up(nv, vf_ndev);
	}
	delay = netvsc_vf_update(nv, netvsc_vf_usable(nv));
	/* packets may have waited for a link that is there again */
	if (nv->cfg.vf_path && nv->state == NETVSC_RUNNING)
		netvsc_tx_set_link(nv, netif_carrier_ok(nv->ndev));
	return delay;
}

/**
 * netvsc_vf_open() - the interface has come up: so does its VF
 * @nv: the device
 *
 * Context: process, RTNL.
 */
void netvsc_vf_open(struct netvsc *nv)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);
	int ret;

	if (!vf_ndev || !nv->vf.set_up)
		return;
	ret = dev_open(vf_ndev, NULL);
	if (ret)
		netdev_warn(vf_ndev, "unable to open: %d\n", ret);
}

/**
 * netvsc_vf_close() - the interface has gone down: so does its VF
 * @nv: the device
 *
 * Context: process, RTNL.
 */
void netvsc_vf_close(struct netvsc *nv)
{
	struct net_device *vf_ndev = netvsc_vf_ndev(nv);

	if (vf_ndev)
		dev_close(vf_ndev);
}

/* --- news of other devices --- */

/* A device has been registered: perhaps a VF, or ours in another namespace */
static void netvsc_vf_registered(struct net_device *ndev)
{
	struct netvsc *nv = netvsc_vf_self(ndev);

	if (nv) {
		netvsc_post_event(nv, NETVSC_EVENT_VF);
		return;
	}
	if (list_empty(&netvsc_vf_devices) || !netvsc_vf_is_candidate(ndev))
		return;
	nv = netvsc_vf_owner(ndev);
	if (!nv) {
		netvsc_vf_mark(ndev, false);
		netvsc_vf_tell_alone(ndev);
	} else if (net_eq(dev_net(ndev), dev_net(nv->ndev))) {
		netvsc_vf_join(nv, ndev, NETVSC_VF_SETUP_DELAY);
	} else {	/* perhaps: another one may have joined before that is looked at */
		netvsc_vf_mark(ndev, false);
		netvsc_post_event(nv, NETVSC_EVENT_VF);
	}
}

/* A VLAN has come, or goes */
static void netvsc_vf_vlan(struct net_device *vlan, bool there)
{
	struct netvsc *nv = netvsc_vf_self(vlan_dev_real_dev(vlan));
	struct net_device *vf_ndev = nv ? netvsc_vf_ndev(nv) : NULL;

	if (!vf_ndev || !nv->vf.set_up)
		return;
	if (there)
		netvsc_vf_add_vlan(vlan, vlan_dev_vlan_id(vlan), vf_ndev);
	else
		netvsc_vf_del_vlan(vlan, vlan_dev_vlan_id(vlan), vf_ndev);
}

/* Something has happened to a VF of ours */
static void netvsc_vf_changed(struct netvsc *nv, unsigned long event)
{
	bool usable;

	if (event == NETDEV_UNREGISTER) {
		/* where it is still registered, it moves to another namespace */
		netvsc_vf_leave(nv, netvsc_vf_ndev(nv)->reg_state ==
				    NETREG_REGISTERED);
		/* another one may have been there all the time */
		netvsc_post_event(nv, NETVSC_EVENT_VF);
		return;
	}
	/* perhaps as the interface's is about to */
	if (event == NETDEV_CHANGEMTU || event == NETDEV_CHANGEADDR) {
		netvsc_post_event(nv, NETVSC_EVENT_VF);
		return;
	}
	usable = event != NETDEV_GOING_DOWN && netvsc_vf_usable(nv);
	if (netvsc_vf_update(nv, usable))
		netvsc_post_event(nv, NETVSC_EVENT_VF);
}

static int netvsc_vf_event(struct notifier_block *block, unsigned long event,
			   void *ptr)
{
	struct net_device *ndev = netdev_notifier_info_to_dev(ptr);
	struct netvsc *nv;

	switch (event) {
	case NETDEV_POST_INIT:
		if (netvsc_vf_owner(ndev))
			netvsc_vf_mark(ndev, true);
		break;
	case NETDEV_REGISTER:
		if (is_vlan_dev(ndev))
			netvsc_vf_vlan(ndev, true);
		else
			netvsc_vf_registered(ndev);
		break;
	case NETDEV_UNREGISTER:
		if (is_vlan_dev(ndev))
			netvsc_vf_vlan(ndev, false);
		fallthrough;
	case NETDEV_UP:
	case NETDEV_CHANGE:
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
	case NETDEV_GOING_DOWN:
	case NETDEV_DOWN:
		nv = netvsc_vf_joined(ndev);
		if (nv)
			netvsc_vf_changed(nv, event);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block netvsc_vf_notifier = {
	.notifier_call = netvsc_vf_event,
};

/**
 * netvsc_vf_init() - look out for VFs
 *
 * Context: process, before any device is there. Return: 0 or a negative error.
 */
int netvsc_vf_init(void)
{
	return register_netdevice_notifier(&netvsc_vf_notifier);
}

/**
 * netvsc_vf_exit() - and not any more
 *
 * Context: process, after all devices are gone.
 */
void netvsc_vf_exit(void)
{
	unregister_netdevice_notifier(&netvsc_vf_notifier);
}

/**
 * netvsc_vf_add() - a device may have a VF from now on
 * @nv: the device, just registered
 *
 * One that is there already joins as the event work finds it.
 *
 * Context: process, RTNL.
 */
void netvsc_vf_add(struct netvsc *nv)
{
	ASSERT_RTNL();
	list_add_tail(&nv->vf.node, &netvsc_vf_devices);
	netvsc_post_event(nv, NETVSC_EVENT_VF);
}

/**
 * netvsc_vf_remove() - a device has no VF any more
 * @nv: the device, still registered, about to be removed
 *
 * The VF stays as it is, as an interface of its own.
 *
 * Context: process, RTNL.
 */
void netvsc_vf_remove(struct netvsc *nv)
{
	ASSERT_RTNL();
	if (netvsc_vf_ndev(nv))
		netvsc_vf_leave(nv, false);
	list_del(&nv->vf.node);
}
