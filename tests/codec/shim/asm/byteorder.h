/* SPDX-License-Identifier: GPL-2.0-only */
/* Each conversion counts as a look at a message. */
#ifndef _SHIM_BYTEORDER_H
#define _SHIM_BYTEORDER_H

#include <endian.h>
#include <linux/types.h>

u32 codec_le32_to_cpu(__le32 word);

#define le32_to_cpu(word)	codec_le32_to_cpu(word)
#define cpu_to_le32(word)	htole32(word)
#define cpu_to_le16(word)	htole16(word)

#endif
