// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state file of debugfs, in each state.
 */
#include <linux/bitmap.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>

#include "../../netvsc_config.h"
#include "../../netvsc_debugfs.h"
#include "fake_bus.h"

/* The file as a string */
static const char *state_of(struct fake_bus *bus)
{
	struct seq_file m = {
		.size = PAGE_SIZE,
		.private = bus->nv,
	};

	m.buf = kunit_kzalloc(bus->test, m.size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(bus->test, m.buf);
	KUNIT_EXPECT_EQ(bus->test, netvsc_state_show(&m, NULL), 0);
	KUNIT_ASSERT_LT(bus->test, m.count, m.size);
	return m.buf;
}

static const char running[] =
	"interface: %s\n"
	"state: running\n"
	"link: up\n"
	"filter: 0x9 directed broadcast\n"
	"path: synthetic\n"
	"channels: 2\n"
	"channels-wanted: 2\n"
	"nvsp: 0x60001\n"
	"ndis: 6.30\n"
	"capabilities: 0xac sriov ieee8021q teaming rsc\n"
	"host-csum: 0x33 tcp4 udp4 tcp6 udp6\n"
	"host-tso4-max: 62780\n"
	"host-tso6-max: 62780\n"
	"host-rsc: 1\n"
	"host-rss-entries: 128\n"
	"host-channels-max: 64\n"
	"host-frame-max: 9000\n"
	"host-packets-max: 8\n"
	"host-transfer-max: 16384\n"
	"host-align: 8\n"
	"receive-bytes: 65536\n"
	"receive-sections: 37\n"
	"receive-section-size: 1728\n"
	"send-bytes: 65536\n"
	"send-sections: 10\n"
	"send-section-size: 6144\n"
	"send-sections-free: 7\n"
	"channel 0: open cpu 0 requests 2/1024 cached-sections 1 acks 0 stopped 0\n"
	"channel 1: open cpu 0 requests 0/1024 cached-sections 0 acks 3 stopped 1\n"
	"channel 2: closed\n"
	"channel 3: closed\n";

static void state_running(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc_chan *ch0, *ch1;
	char *want;

	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, 2), 0);
	ch0 = bus->nv->chans[0];
	ch1 = bus->nv->chans[1];
	bitmap_set(bus->nv->bufs->sections, 1, 3);
	ch0->tx.fresh = 5;
	ch0->tx.free_reqs.head = 4;
	ch0->tx.free_reqs.tail = 1;
	ch0->tx.free_sections.head = 1;
	ch1->rx.ack_head = 2;
	ch1->rx.ack_tail = -1;
	ch1->tx.stopped = true;
	want = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, want);
	snprintf(want, PAGE_SIZE, running, bus->ndev->name);
	KUNIT_EXPECT_STREQ(test, state_of(bus), want);

	bitmap_clear(bus->nv->bufs->sections, 1, 3);
	ch0->tx.fresh = 0;
	ch0->tx.free_reqs.head = 0;
	ch0->tx.free_reqs.tail = 0;
	ch0->tx.free_sections.head = 0;
	ch1->rx.ack_head = 0;
	ch1->rx.ack_tail = 0;
	ch1->tx.stopped = false;
}

static void state_others(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	const char *seen = state_of(bus);

	/* nothing of a host: there was none */
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nstate: down\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nchannels: 0\n"));
	KUNIT_EXPECT_NULL(test, strstr(seen, "nvsp"));
	KUNIT_EXPECT_NULL(test, strstr(seen, "channel 0"));

	bus->host.version = NVSP_VERSION_4;
	KUNIT_ASSERT_EQ(test, fake_bus_connect(bus), 0);
	bus->nv->link.up = false;
	seen = state_of(bus);
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nstate: connected\nlink: down\nfilter: 0x0\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nnvsp: 0x40000\nndis: 6.1\ncapabilities: 0x8 ieee8021q\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nhost-channels-max: 1\n"));

	bus->nv->cfg.filter = NDIS_FILTER_PROMISCUOUS;
	rtnl_lock();
	netvsc_config_disconnect(bus->nv);
	rtnl_unlock();
	seen = state_of(bus);
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nstate: down\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nfilter: 0x0\n"));
	KUNIT_EXPECT_NULL(test, strstr(seen, "nvsp"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(seen, "\nchannel 0: closed\n"));
}

static struct kunit_case debugfs_cases[] = {
	KUNIT_CASE(state_running),
	KUNIT_CASE(state_others),
	{}
};

static struct kunit_suite debugfs_suite = {
	.name = "hv_netvsc_debugfs",
	.test_cases = debugfs_cases,
};

kunit_test_suite(debugfs_suite);
