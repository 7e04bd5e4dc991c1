// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VF for tests of its owner: it takes the PCI function of the emulated host's VF,
 * leaves the hardware alone, refuses what its parameters say, and tells by ethtool
 * what it was told. What is sent by it is counted, and gone.
 */
#include <linux/bpf.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <net/xdp.h>

#define TESTVF_QUEUES	16
#define TESTVF_TABLE	256
#define TESTVF_KEY	64

/* Bits of refuse */
#define TESTVF_OPEN	BIT(0)
#define TESTVF_MTU	BIT(1)
#define TESTVF_ADDRESS	BIT(2)
#define TESTVF_PROG	BIT(3)
#define TESTVF_RSS	BIT(4)
#define TESTVF_VLAN	BIT(5)
#define TESTVF_SEND	BIT(6)

static uint refuse;
module_param(refuse, uint, 0644);
MODULE_PARM_DESC(refuse, "Sum of: 1 open, 2 MTU, 4 address, 8 XDP program, 16 RSS, 32 VLAN id, 64 packets");

static uint mtu_min = ETH_MIN_MTU, mtu_max = 9000;
module_param(mtu_min, uint, 0644);
MODULE_PARM_DESC(mtu_min, "Least MTU of VFs to come");
module_param(mtu_max, uint, 0644);
MODULE_PARM_DESC(mtu_max, "Greatest MTU of VFs to come");

static uint queues = 2, table = 32, key = 40;
module_param(queues, uint, 0644);
MODULE_PARM_DESC(queues, "Queues of VFs to come, up to 16");
module_param(table, uint, 0644);
MODULE_PARM_DESC(table, "Entries in the RSS table of VFs to come, up to 256");
module_param(key, uint, 0644);
MODULE_PARM_DESC(key, "Bytes of the RSS key of VFs to come, up to 64");

static uint headroom;
module_param(headroom, uint, 0644);
MODULE_PARM_DESC(headroom, "Bytes of needed headroom of VFs to come");

static bool xdp = true;
module_param(xdp, bool, 0644);
MODULE_PARM_DESC(xdp, "Do VFs to come have XDP?");

static bool link;
module_param(link, bool, 0644);
MODULE_PARM_DESC(link, "Can speed and duplex of VFs to come be set?");

static bool handler = true;
module_param(handler, bool, 0644);
MODULE_PARM_DESC(handler, "May others receive what VFs to come receive?");

static char *slot = "";
module_param(slot, charp, 0644);
MODULE_PARM_DESC(slot, "Name of the slot of VFs to come, where it has none");

static char *mac = "";
module_param(mac, charp, 0644);
MODULE_PARM_DESC(mac, "Address of VFs to come, else a random one");

enum {
	SENT, SENT_LAST, UNICAST, OPENS, CLOSES, MTU_CHANGES, ADDRESS_CHANGES, RSS_CHANGES,
	PROG_CHANGES, PROG_ID, VLAN_IDS, LEAST_HEADROOM, COUNTERS
};

static const char testvf_names[COUNTERS][ETH_GSTRING_LEN] = {
	[SENT]			= "sent",
	[SENT_LAST]		= "sent_last",
	[UNICAST]		= "unicast",
	[OPENS]			= "opens",
	[CLOSES]		= "closes",
	[MTU_CHANGES]		= "mtu_changes",
	[ADDRESS_CHANGES]	= "address_changes",
	[RSS_CHANGES]		= "rss_changes",
	[PROG_CHANGES]		= "prog_changes",
	[PROG_ID]		= "prog_id",
	[VLAN_IDS]		= "vlan_ids",
	[LEAST_HEADROOM]	= "least_headroom",
};

/* RTNL, but for what is sent */
struct testvf {
	struct bpf_prog *prog;
	u32 table[TESTVF_TABLE];
	u32 table_size;
	u8 key[TESTVF_KEY];
	u32 key_size;
	struct pci_slot *slot;
	u32 speed;
	u8 duplex;
	u64 counters[COUNTERS];
	atomic64_t sent, sent_last;
	atomic_t least_headroom;	/* of packets */
};

static int testvf_open(struct net_device *ndev)
{
	struct testvf *vf = netdev_priv(ndev);

	if (refuse & TESTVF_OPEN)
		return -EIO;
	vf->counters[OPENS]++;
	netif_carrier_on(ndev);
	netif_tx_start_all_queues(ndev);
	return 0;
}

static int testvf_stop(struct net_device *ndev)
{
	struct testvf *vf = netdev_priv(ndev);

	vf->counters[CLOSES]++;
	netif_tx_stop_all_queues(ndev);
	netif_carrier_off(ndev);
	return 0;
}

static netdev_tx_t testvf_xmit(struct sk_buff *skb, struct net_device *ndev)
{
	struct testvf *vf = netdev_priv(ndev);
	int least = atomic_read(&vf->least_headroom);

	while (skb_headroom(skb) < least &&
	       !atomic_try_cmpxchg(&vf->least_headroom, &least, skb_headroom(skb)))
		;
	if (refuse & TESTVF_SEND) {
		netif_tx_stop_queue(skb_get_tx_queue(ndev, skb));
		return NETDEV_TX_BUSY;
	}
	atomic64_inc(&vf->sent);
	if (skb_get_queue_mapping(skb) == ndev->real_num_tx_queues - 1)
		atomic64_inc(&vf->sent_last);
	dev_consume_skb_any(skb);
	return NETDEV_TX_OK;
}

static int testvf_change_mtu(struct net_device *ndev, int mtu)
{
	struct testvf *vf = netdev_priv(ndev);

	if (refuse & TESTVF_MTU)
		return -EIO;
	vf->counters[MTU_CHANGES]++;
	WRITE_ONCE(ndev->mtu, mtu);
	return 0;
}

static int testvf_set_address(struct net_device *ndev, void *p)
{
	struct testvf *vf = netdev_priv(ndev);
	struct sockaddr *addr = p;

	if (refuse & TESTVF_ADDRESS)
		return -EIO;
	vf->counters[ADDRESS_CHANGES]++;
	eth_hw_addr_set(ndev, addr->sa_data);
	return 0;
}

static void testvf_set_rx_mode(struct net_device *ndev)
{
	struct testvf *vf = netdev_priv(ndev);

	vf->counters[UNICAST] = netdev_uc_count(ndev);
}

static int testvf_add_vid(struct net_device *ndev, __be16 proto, u16 vid)
{
	struct testvf *vf = netdev_priv(ndev);

	if (refuse & TESTVF_VLAN)
		return -EIO;
	vf->counters[VLAN_IDS]++;
	return 0;
}

static int testvf_kill_vid(struct net_device *ndev, __be16 proto, u16 vid)
{
	struct testvf *vf = netdev_priv(ndev);

	vf->counters[VLAN_IDS]--;
	return 0;
}

static int testvf_change_carrier(struct net_device *ndev, bool on)
{
	if (on)
		netif_carrier_on(ndev);
	else
		netif_carrier_off(ndev);
	return 0;
}

static int testvf_bpf(struct net_device *ndev, struct netdev_bpf *bpf)
{
	struct testvf *vf = netdev_priv(ndev);
	struct bpf_prog *old = vf->prog;

	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	if (refuse & TESTVF_PROG) {
		NL_SET_ERR_MSG_MOD(bpf->extack, "not this one");
		return -EIO;
	}
	vf->prog = bpf->prog;
	vf->counters[PROG_CHANGES]++;
	vf->counters[PROG_ID] = bpf->prog ? bpf->prog->aux->id : 0;
	if (old)
		bpf_prog_put(old);
	return 0;
}

/* As drivers do on a processor that has no queue for frames */
static int testvf_xdp_xmit(struct net_device *ndev, int n, struct xdp_frame **frames,
			   u32 flags)
{
	return -ENXIO;
}

static const struct net_device_ops testvf_ops = {
	.ndo_open		= testvf_open,
	.ndo_stop		= testvf_stop,
	.ndo_start_xmit		= testvf_xmit,
	.ndo_change_mtu		= testvf_change_mtu,
	.ndo_set_mac_address	= testvf_set_address,
	.ndo_set_rx_mode	= testvf_set_rx_mode,
	.ndo_vlan_rx_add_vid	= testvf_add_vid,
	.ndo_vlan_rx_kill_vid	= testvf_kill_vid,
	.ndo_change_carrier	= testvf_change_carrier,
	.ndo_bpf		= testvf_bpf,
	.ndo_xdp_xmit		= testvf_xdp_xmit,
};

/* All of them but ndo_bpf and ndo_xdp_xmit */
static struct net_device_ops testvf_ops_without_xdp;

static u32 testvf_table_size(struct net_device *ndev)
{
	struct testvf *vf = netdev_priv(ndev);

	return vf->table_size;
}

static u32 testvf_key_size(struct net_device *ndev)
{
	struct testvf *vf = netdev_priv(ndev);

	return vf->key_size;
}

static int testvf_get_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *info,
			    u32 *rules)
{
	if (info->cmd != ETHTOOL_GRXRINGS)
		return -EOPNOTSUPP;
	info->data = ndev->real_num_rx_queues;
	return 0;
}

static int testvf_get_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh)
{
	struct testvf *vf = netdev_priv(ndev);

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	if (rxfh->indir)
		memcpy(rxfh->indir, vf->table, vf->table_size * sizeof(u32));
	if (rxfh->key)
		memcpy(rxfh->key, vf->key, vf->key_size);
	return 0;
}

static int testvf_set_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh,
			   struct netlink_ext_ack *extack)
{
	struct testvf *vf = netdev_priv(ndev);
	u32 i;

	if (refuse & TESTVF_RSS) {
		NL_SET_ERR_MSG_MOD(extack, "not this table");
		return -EIO;
	}
	for (i = 0; rxfh->indir && i < vf->table_size; i++)
		if (rxfh->indir[i] >= ndev->real_num_rx_queues)
			return -EINVAL;
	if (rxfh->indir)
		memcpy(vf->table, rxfh->indir, vf->table_size * sizeof(u32));
	if (rxfh->key)
		memcpy(vf->key, rxfh->key, vf->key_size);
	vf->counters[RSS_CHANGES]++;
	return 0;
}

static int testvf_get_link(struct net_device *ndev, struct ethtool_link_ksettings *link)
{
	struct testvf *vf = netdev_priv(ndev);

	ethtool_link_ksettings_zero_link_mode(link, supported);
	link->base.speed = vf->speed;
	link->base.duplex = vf->duplex;
	link->base.port = PORT_OTHER;
	return 0;
}

static int testvf_set_link(struct net_device *ndev,
			   const struct ethtool_link_ksettings *link)
{
	struct testvf *vf = netdev_priv(ndev);

	if (link->base.speed > SPEED_40000)
		return -ERANGE;
	vf->speed = link->base.speed;
	vf->duplex = link->base.duplex;
	return 0;
}

static int testvf_count(struct net_device *ndev, int set)
{
	return set == ETH_SS_STATS ? COUNTERS : -EOPNOTSUPP;
}

static void testvf_strings(struct net_device *ndev, u32 set, u8 *data)
{
	if (set == ETH_SS_STATS)
		memcpy(data, testvf_names, sizeof(testvf_names));
}

static void testvf_stats(struct net_device *ndev, struct ethtool_stats *stats,
			 u64 *data)
{
	struct testvf *vf = netdev_priv(ndev);

	memcpy(data, vf->counters, sizeof(vf->counters));
	data[SENT] = atomic64_read(&vf->sent);
	data[SENT_LAST] = atomic64_read(&vf->sent_last);
	data[LEAST_HEADROOM] = atomic_read(&vf->least_headroom);
}

static const struct ethtool_ops testvf_ethtool_ops = {
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= testvf_get_link,
	.get_sset_count		= testvf_count,
	.get_strings		= testvf_strings,
	.get_ethtool_stats	= testvf_stats,
	.get_rxnfc		= testvf_get_rxnfc,
	.get_rxfh_indir_size	= testvf_table_size,
	.get_rxfh_key_size	= testvf_key_size,
	.get_rxfh		= testvf_get_rxfh,
	.set_rxfh		= testvf_set_rxfh,
};

/* And set_link_ksettings */
static struct ethtool_ops testvf_ethtool_ops_with_link;

static void testvf_setup(struct net_device *ndev)
{
	struct testvf *vf = netdev_priv(ndev);
	u8 address[ETH_ALEN];
	u32 i;

	vf->table_size = clamp_t(u32, table, 1, TESTVF_TABLE);
	vf->key_size = clamp_t(u32, key, 1, TESTVF_KEY);
	for (i = 0; i < vf->table_size; i++)
		vf->table[i] = i % ndev->real_num_rx_queues;
	if (mac_pton(mac, address))
		eth_hw_addr_set(ndev, address);
	else
		eth_hw_addr_random(ndev);
	testvf_ops_without_xdp = testvf_ops;
	testvf_ops_without_xdp.ndo_bpf = NULL;
	testvf_ops_without_xdp.ndo_xdp_xmit = NULL;
	ndev->netdev_ops = xdp ? &testvf_ops : &testvf_ops_without_xdp;
	testvf_ethtool_ops_with_link = testvf_ethtool_ops;
	testvf_ethtool_ops_with_link.set_link_ksettings = testvf_set_link;
	ndev->ethtool_ops = link ? &testvf_ethtool_ops_with_link : &testvf_ethtool_ops;
	atomic_set(&vf->least_headroom, INT_MAX);
	vf->speed = SPEED_40000;
	vf->duplex = DUPLEX_FULL;
	ndev->min_mtu = mtu_min;
	ndev->max_mtu = mtu_max;
	ndev->mtu = clamp_t(u32, ETH_DATA_LEN, mtu_min, mtu_max);
	ndev->needed_headroom = headroom;
	ndev->priv_flags |= IFF_UNICAST_FLT | IFF_LIVE_ADDR_CHANGE;
	if (!handler)
		ndev->priv_flags |= IFF_NO_RX_HANDLER;
	ndev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO |
			    NETIF_F_TSO6 | NETIF_F_RXCSUM;
	ndev->features = ndev->hw_features | NETIF_F_HW_VLAN_CTAG_FILTER;
	if (xdp)
		xdp_set_features_flag(ndev, NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_NDO_XMIT);
}

static int testvf_name_slot(struct testvf *vf, struct pci_dev *pdev)
{
	struct pci_slot *made;

	if (!*slot || pdev->slot)
		return 0;
	made = pci_create_slot(pdev->bus, PCI_SLOT(pdev->devfn), slot, NULL);
	if (IS_ERR(made))
		return PTR_ERR(made);
	vf->slot = made;
	return 0;
}

static int testvf_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct net_device *ndev;
	struct testvf *vf;
	int ret;

	ndev = alloc_etherdev_mqs(sizeof(struct testvf), TESTVF_QUEUES, TESTVF_QUEUES);
	if (!ndev)
		return -ENOMEM;
	SET_NETDEV_DEV(ndev, &pdev->dev);
	pci_set_drvdata(pdev, ndev);
	vf = netdev_priv(ndev);
	ret = netif_set_real_num_queues(ndev, clamp_t(u32, queues, 1, TESTVF_QUEUES),
					clamp_t(u32, queues, 1, TESTVF_QUEUES));
	if (ret)
		goto free;
	testvf_setup(ndev);
	netif_carrier_off(ndev);
	ret = testvf_name_slot(vf, pdev);
	if (ret)
		goto free;
	ret = register_netdev(ndev);
	if (ret)
		goto slot;
	return 0;

slot:
	if (vf->slot)
		pci_destroy_slot(vf->slot);
free:
	free_netdev(ndev);
	return ret;
}

static void testvf_remove(struct pci_dev *pdev)
{
	struct net_device *ndev = pci_get_drvdata(pdev);
	struct testvf *vf = netdev_priv(ndev);

	unregister_netdev(ndev);
	/* who set it up is to have taken it back */
	if (vf->prog)
		dev_err(&pdev->dev, "a program was left behind\n");
	if (vf->slot)
		pci_destroy_slot(vf->slot);
	free_netdev(ndev);
}

/* what the emulated host has for VFs: vmxnet3 and e1000e */
static const struct pci_device_id testvf_ids[] = {
	{ PCI_DEVICE(0x15ad, 0x07b0) },
	{ PCI_DEVICE(0x8086, 0x10d3) },
	{ }
};

static struct pci_driver testvf_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= testvf_ids,
	.probe		= testvf_probe,
	.remove		= testvf_remove,
};
module_pci_driver(testvf_driver);

MODULE_DESCRIPTION("A VF that refuses what it is told to refuse");
MODULE_LICENSE("GPL");
