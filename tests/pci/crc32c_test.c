/* SPDX-License-Identifier: MIT */
/* CRC-32C against the vectors of RFC 3720 B.4 and against its definition, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pci/copy/crc32c.h"
#include "pci/rig.h"

static void vectors(void **state)
{
	unsigned char zeros[32] = { 0 }, ones[32], up[32], down[32];
	struct crc32c crc;

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (unsigned int i = 0; i < 32; i++) {
		up[i] = (unsigned char)i;
		down[i] = (unsigned char)(31 - i);
	}
	crc32c_init(&crc);
	for (int tables = 0; tables < 2; tables++) {
		assert_int_equal(crc32c_add(&crc, 0, "", 0), 0);
		assert_int_equal(crc32c_add(&crc, 0, "123456789", 9), 0xe3069283);
		assert_int_equal(crc32c_add(&crc, 0, zeros, 32), 0x8a9136aa);
		assert_int_equal(crc32c_add(&crc, 0, ones, 32), 0x62a8ab43);
		assert_int_equal(crc32c_add(&crc, 0, up, 32), 0x46dd794e);
		assert_int_equal(crc32c_add(&crc, 0, down, 32), 0x113fdb5c);
		crc.cpu = false;
	}
}

static void pieces(void **state)
{
	unsigned char buf[600];
	uint64_t rng = 1;
	struct crc32c crc;

	(void)state;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (unsigned char)mock_random(&rng);
	crc32c_init(&crc);
	for (int tables = 0; tables < 2; tables++, crc.cpu = false)
		for (int turn = 0; turn < 3000; turn++) {
			size_t at = mock_random(&rng) % 16, len = mock_random(&rng) % (sizeof(buf) - 16);
			size_t cut = mock_random(&rng) % (len + 1);
			uint32_t sum = crc32c_add(&crc, 0, buf + at, cut);

			sum = crc32c_add(&crc, sum, buf + at + cut, len - cut);
			assert_int_equal(sum, rig_crc32c(buf + at, len));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(pieces),
	};

	return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
