/* SPDX-License-Identifier: MIT */
/*
 * Reports of replacements and the checks of option structs. The common case, no
 * gap and no error, writes a dozen words and formats nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"

void report_init(struct uiommu_report *report)
{
	report->gap = UIOMMU_GAP_NONE;
	report->strategy = UIOMMU_STRATEGY_NOTHING;
	report->best_gap = UIOMMU_GAP_NONE;
	report->stores = 0;
	report->config_syncs = 0;
	report->tag_flushes = 0;
	report->cpu_ns = 0;
	report->drain_ns = 0;
	report->refused = NULL;
	report->reason[0] = '\0';
}

static void copy_reason(char *to, const char *from)
{
	/* Not the whole array: the common reason is empty. A driver's may lack its end. */
	memccpy(to, from, '\0', UIOMMU_REASON_LEN - 1);
	to[UIOMMU_REASON_LEN - 1] = '\0';
}

void report_copy(struct uiommu_report *to, const struct uiommu_report *from)
{
	if (!to)
		return;
	memcpy(to, from, offsetof(struct uiommu_report, reason));
	copy_reason(to->reason, from->reason);
}

void report_merge(struct uiommu_report *sum, const struct uiommu_report *one)
{
	/* The reason is that of the first device with the worst gap. */
	if (one->reason[0] && (one->gap > sum->gap || !sum->reason[0]))
		copy_reason(sum->reason, one->reason);
	if (one->gap > sum->gap)
		sum->gap = one->gap;
	if (one->strategy > sum->strategy)
		sum->strategy = one->strategy;
	if (one->best_gap > sum->best_gap)
		sum->best_gap = one->best_gap;
	sum->stores += one->stores;
	/* A round serves all devices of the batch. */
	if (one->config_syncs > sum->config_syncs)
		sum->config_syncs = one->config_syncs;
	sum->tag_flushes += one->tag_flushes;
}

int report_refuse(struct uiommu_report *report, struct uiommu_device *dev, int err, const char *fmt, ...)
{
	va_list args;

	if (!report)
		return err;
	report_init(report);
	report->refused = dev;
	va_start(args, fmt);
	vsnprintf(report->reason, sizeof(report->reason), fmt, args);
	va_end(args);
	return err;
}

void report_blame(struct uiommu_report *report, struct uiommu_device *dev, const char *fmt, ...)
{
	va_list args;

	if (report->refused)
		return;
	report->refused = dev;
	va_start(args, fmt);
	vsnprintf(report->reason, sizeof(report->reason), fmt, args);
	va_end(args);
}

int opts_check(const void *opts, size_t size, size_t known)
{
	const unsigned char *bytes = opts;

	if (size < known)
		return -EINVAL;
	for (size_t i = known; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	return 0;
}

int replace_opts_check(const struct uiommu_replace_opts *opts, struct uiommu_report *report)
{
	int err;

	if (!opts)
		return 0;
	err = opts_check(opts, opts->size, sizeof(*opts));
	if (err == -EINVAL)
		return report_refuse(report, NULL, err, "options: size is %zu, must be sizeof(struct "
				     "uiommu_replace_opts), %zu", opts->size, sizeof(*opts));
	if (err)
		return report_refuse(report, NULL, err, "options: not all 0 behind the %zu bytes that this "
				     "library knows", sizeof(*opts));
	if ((unsigned int)opts->worst_gap > UIOMMU_GAP_UNKNOWN)
		return report_refuse(report, NULL, -EINVAL, "options: worst_gap is %d, must be %d "
				     "(UIOMMU_GAP_NONE) to %d (UIOMMU_GAP_UNKNOWN)", (int)opts->worst_gap,
				     UIOMMU_GAP_NONE, UIOMMU_GAP_UNKNOWN);
	if (opts->worst_gap == UIOMMU_GAP_EQUAL && opts->equal_start > opts->equal_last)
		return report_refuse(report, NULL, -EINVAL, "options: equal_start 0x%" PRIx64 " is above "
				     "equal_last 0x%" PRIx64, opts->equal_start, opts->equal_last);
	return 0;
}

int report_no_target(struct uiommu_report *report, const struct uiommu_group *group)
{
	return report_refuse(report, NULL, -EINVAL, "no %s: NULL was given", group ? "domain" : "group");
}
