/* SPDX-License-Identifier: MIT */
/* Names of the public enums, as people and JSON see them, and the version. */
#include <uiommu/types.h>

const char *uiommu_gap_name(enum uiommu_gap gap)
{
	switch (gap) {
	case UIOMMU_GAP_NONE:
		return "none";
	case UIOMMU_GAP_EQUAL:
		return "equal";
	case UIOMMU_GAP_BLOCKED:
		return "blocked";
	case UIOMMU_GAP_UNKNOWN:
		return "unknown";
	}
	return "?";
}

const char *uiommu_strategy_name(enum uiommu_strategy strategy)
{
	switch (strategy) {
	case UIOMMU_STRATEGY_NOTHING:
		return "nothing";
	case UIOMMU_STRATEGY_SINGLE_STORE:
		return "single-store";
	case UIOMMU_STRATEGY_USED_BITS:
		return "used-bits";
	case UIOMMU_STRATEGY_BREAK:
		return "break-before-make";
	}
	return "?";
}

const char *uiommu_domain_type_name(enum uiommu_domain_type type)
{
	switch (type) {
	case UIOMMU_DOMAIN_BLOCKED:
		return "blocked";
	case UIOMMU_DOMAIN_IDENTITY:
		return "identity";
	case UIOMMU_DOMAIN_PAGING:
		return "paging";
	}
	return "?";
}

const char *uiommu_version(void)
{
	return UIOMMU_VERSION;
}
