/* SPDX-License-Identifier: MIT */
/*
 * What uiommu_show() tells is what is: entries that are decoded say the domain's tag and
 * table, counts are those of what was mapped, and all of it stays so while threads
 * replace, map, unmap, make and free domains.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <uiommu/show.h>

#include "rig.h"

enum { MAX = 64, TURNS = 300 };

/* All that was shown; entries: the last one of each attachment. */
struct seen {
	unsigned int n_iommu, n_domains, n_groups, n_attachments, n_entries;
	struct uiommu_show_iommu iommu;
	struct uiommu_show_domain domain[MAX];
	struct uiommu_show_group group[MAX];
	struct uiommu_show_attachment attachment[MAX];
	struct {
		bool have, present;
		uint64_t did, pointer;
		char name[40], section[16], meaning[160];
		uint64_t word0;
	} last[MAX];
};

static void on_iommu(void *opaque, const struct uiommu_show_iommu *iommu)
{
	struct seen *s = opaque;

	s->n_iommu++;
	s->iommu = *iommu;
}

static void on_domain(void *opaque, const struct uiommu_show_domain *domain)
{
	struct seen *s = opaque;

	if (s->n_domains < MAX)
		s->domain[s->n_domains++] = *domain;
}

static void on_group(void *opaque, const struct uiommu_show_group *group)
{
	struct seen *s = opaque;

	if (s->n_groups < MAX)
		s->group[s->n_groups++] = *group;
}

static void on_attachment(void *opaque, const struct uiommu_show_attachment *attachment)
{
	struct seen *s = opaque;

	if (s->n_attachments < MAX)
		s->attachment[s->n_attachments++] = *attachment;
}

static uint64_t field(const struct uiommu_show_entry *e, const char *name)
{
	for (unsigned int i = 0; i < e->n_fields; i++)
		if (!strcmp(e->fields[i].name, name))
			return e->fields[i].value;
	return 0;
}

static void on_entry(void *opaque, const struct uiommu_show_entry *e)
{
	struct seen *s = opaque;
	unsigned int at = s->n_attachments - 1;

	s->n_entries++;
	s->last[at].have = true;
	s->last[at].present = field(e, "P");
	s->last[at].did = field(e, "DID");
	s->last[at].pointer = (field(e, "PGTT") == VTD_PGTT_FIRST ? field(e, "FSPTPTR") : field(e, "SSPTPTR"))
			      << 12;
	s->last[at].word0 = e->words[0];
	snprintf(s->last[at].name, sizeof(s->last[at].name), "%s", e->name);
	snprintf(s->last[at].section, sizeof(s->last[at].section), "%s", e->section);
	snprintf(s->last[at].meaning, sizeof(s->last[at].meaning), "%s", e->meaning);
}

static const struct uiommu_show_ops all = {
	.size = sizeof(all),
	.iommu = on_iommu,
	.domain = on_domain,
	.group = on_group,
	.attachment = on_attachment,
	.entry = on_entry,
};

static void look(struct rig *rig, struct seen *s)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(uiommu_show(rig->iommu, &all, s), 0);
}

static const struct uiommu_show_domain *domain_of(const struct seen *s, uint64_t id)
{
	for (unsigned int i = 0; i < s->n_domains; i++)
		if (s->domain[i].id == id)
			return &s->domain[i];
	return NULL;
}

/* The entry of an attachment is the one of its domain. */
static void check_entry(const struct seen *s, unsigned int i, bool scalable)
{
	const struct uiommu_show_domain *d = domain_of(s, s->attachment[i].domain);

	assert_true(s->last[i].have);
	assert_non_null(d);
	assert_string_equal(s->last[i].name, scalable ? "PASID table entry" : "context entry");
	assert_string_equal(s->last[i].section, scalable ? "VT-d 9.6" : "VT-d 9.3");
	assert_int_equal(s->last[i].present, d->type != UIOMMU_DOMAIN_BLOCKED);
	if (d->type == UIOMMU_DOMAIN_BLOCKED) {
		assert_non_null(strstr(s->last[i].meaning, "not present"));
		return;
	}
	assert_int_equal(s->last[i].did, d->tag);
	if (d->type == UIOMMU_DOMAIN_PAGING)
		assert_int_equal(s->last[i].pointer, d->root);
	else
		assert_non_null(strstr(s->last[i].meaning, "pass-through"));
}

static void each_kind(enum uiommu_vtd_mode mode)
{
	struct rig_opts opts = { .mode = mode };
	struct rig_dev d[2];
	struct seen *s = malloc(sizeof(*s));
	struct rig rig;

	rig_begin(&rig, &opts);
	rig_dev_add(&rig, &d[0], 0x18);
	rig_dev_join(&rig, &d[1], &d[0], 0x4E8);
	for (unsigned int k = 0; k < RIG_KINDS; k++) {
		uint64_t want = 0;
		struct uiommu_domain *dom = rig_domain(&rig, (enum rig_domain)k, &want);

		if (!dom)
			continue;
		assert_int_equal(uiommu_group_replace_domain(d[0].group, dom, NULL, NULL), 0);
		look(&rig, s);
		assert_int_equal(s->n_iommu, 1);
		assert_string_equal(s->iommu.mode, mode == UIOMMU_VTD_LEGACY ? "legacy" : "scalable");
		assert_int_equal(s->iommu.groups, s->n_groups);
		assert_int_equal(s->iommu.domains + 1, s->n_domains);
		assert_int_equal(s->n_groups, 1);
		assert_int_equal(s->group[0].devices, 2);
		assert_int_equal(s->n_attachments, 2);
		assert_int_equal(s->n_entries, mode == UIOMMU_VTD_LEGACY ? 4 : 8);
		for (unsigned int i = 0; i < 2; i++) {
			assert_int_equal(s->attachment[i].domain, s->group[0].domain);
			assert_int_equal(s->attachment[i].rid, i ? 0x4E8 : 0x18);
			assert_int_equal(s->attachment[i].pasid, UIOMMU_NO_PASID);
			check_entry(s, i, mode == UIOMMU_VTD_SCALABLE);
		}
		uiommu_block_group(d[0].group);
		rig_domain_free(dom);
	}
	rig_dev_remove(&d[1]);
	rig_dev_remove(&d[0]);
	look(&rig, s);
	assert_int_equal(s->n_attachments, 0);
	rig_end(&rig);
	free(s);
}

static void entries_are_those_of_the_domain(void **state)
{
	each_kind(UIOMMU_VTD_SCALABLE);
	each_kind(UIOMMU_VTD_LEGACY);
	(void)state;
}

/* Each PASID has an entry of its own; owner, preparation and reset are told. */
static void pasids_and_states(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE, .max_pasids = 0x1000 };
	struct uiommu_txn *txn;
	struct seen *s = malloc(sizeof(*s));
	struct uiommu_domain *dom[2];
	struct rig_dev d;
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &opts);
	rig_dev_add(&rig, &d, 0x18);
	dom[0] = rig_domain(&rig, D_SECOND_A, &want);
	dom[1] = rig_domain(&rig, D_FIRST_A, &want);
	assert_int_equal(uiommu_attach_group(d.group, dom[0], NULL), 0);
	assert_int_equal(uiommu_attach_pasid(d.group, 0x345, dom[1], NULL, NULL), 0);
	look(&rig, s);
	assert_int_equal(s->n_attachments, 2);
	assert_int_equal(s->attachment[1].pasid, 0x345);
	assert_int_not_equal(s->attachment[1].domain, s->attachment[0].domain);
	check_entry(s, 0, true);
	check_entry(s, 1, true);
	assert_false(s->group[0].owned || s->group[0].prepared || s->attachment[0].resetting);
	assert_int_equal(uiommu_replace_prepare(rig.ctx, &(struct uiommu_replace_target){
		.group = d.group, .pasid = UIOMMU_NO_PASID, .domain = dom[1] }, 1, NULL, &txn, NULL), 0);
	look(&rig, s);
	assert_true(s->group[0].prepared);
	uiommu_replace_abort(txn);
	assert_int_equal(uiommu_reset_prepare(d.dev), 0);
	look(&rig, s);
	assert_true(s->attachment[0].resetting && s->attachment[1].resetting);
	assert_int_equal(s->attachment[0].domain, 0);
	check_entry(s, 0, true);
	check_entry(s, 1, true);
	uiommu_reset_done(d.dev);
	uiommu_detach_pasid(d.group, 0x345);
	uiommu_detach_group(d.group);
	assert_int_equal(uiommu_group_claim_dma_owner(d.group, &d), 0);
	look(&rig, s);
	assert_true(s->group[0].owned);
	assert_int_equal(s->n_attachments, 1);
	assert_int_equal(uiommu_group_release_dma_owner(d.group), 0);
	rig_domain_free(dom[0]);
	rig_domain_free(dom[1]);
	rig_dev_remove(&d);
	rig_end(&rig);
	free(s);
	(void)state;
}

/* Counts of tables and leaves, and bytes, are those of what was mapped. */
static void counts_are_those_of_the_mappings(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE };
	struct uiommu_domain_opts paging = {
		.size = sizeof(paging),
		.type = UIOMMU_DOMAIN_PAGING,
		.stage = UIOMMU_STAGE_SECOND,
		.levels = 4,
	};
	struct seen *s = malloc(sizeof(*s));
	const struct uiommu_show_domain *d;
	struct uiommu_domain *dom;
	struct rig rig;

	rig_begin(&rig, &opts);
	assert_int_equal(uiommu_domain_alloc(rig.iommu, &paging, &dom), 0);
	/* 3 pages, 2 MiB and 1 GiB, in one table of each level below the root but for the last. */
	assert_int_equal(uiommu_map(dom, 0x1000, 0x5000, 0x3000, UIOMMU_READ), 0);
	assert_int_equal(uiommu_map(dom, 0x200000, 0x400000, 0x200000, UIOMMU_READ), 0);
	assert_int_equal(uiommu_map(dom, UINT64_C(1) << 30, 0, UINT64_C(1) << 30, UIOMMU_READ), 0);
	look(&rig, s);
	assert_int_equal(s->n_domains, 2);
	d = &s->domain[1];
	assert_int_equal(d->type, UIOMMU_DOMAIN_PAGING);
	assert_int_equal(d->stage, UIOMMU_STAGE_SECOND);
	assert_int_equal(d->tag, UIOMMU_SHOW_NO_TAG);
	assert_int_equal(d->users, 0);
	assert_int_equal(d->levels, 4);
	for (unsigned int level = 1; level <= 4; level++)
		assert_int_equal(d->tables[level], 1);
	assert_int_equal(d->leaves[1], 3);
	assert_int_equal(d->leaves[2], 1);
	assert_int_equal(d->leaves[3], 1);
	assert_int_equal(d->leaves[4], 0);
	assert_int_equal(d->mapped, 0x3000 + 0x200000 + (UINT64_C(1) << 30));
	assert_int_equal(uiommu_unmap(dom, 0, UINT64_C(1) << 31), 0);
	look(&rig, s);
	assert_int_equal(s->domain[1].mapped, 0);
	assert_int_equal(uiommu_domain_free(dom), 0);
	rig_end(&rig);
	free(s);
	(void)state;
}

/* One word after another is cleared: the walk is shown as far as it leads. */
static void broken_walks_end_early(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE };
	struct seen *s = malloc(sizeof(*s));

	for (int mode = UIOMMU_VTD_SCALABLE; mode <= UIOMMU_VTD_LEGACY; mode++) {
		struct vtdd_iommu *vi;
		uiommu_pa_t at[3];
		struct rig_dev d;
		struct rig rig;
		unsigned int n = 1;

		opts.mode = (enum uiommu_vtd_mode)mode;
		rig_begin(&rig, &opts);
		rig_dev_add(&rig, &d, 0x18);
		vi = to_vtdd(rig.iommu);
		at[0] = vi->root;
		at[1] = (rig.real->load64(rig.hw, at[0]) & VTD_SRE_CTP) + 0x18 * VTD_SM_CONTEXT_ENTRY_SIZE;
		if (mode == UIOMMU_VTD_SCALABLE) {
			at[2] = rig.real->load64(rig.hw, at[1]) & VTD_SCE0_PASIDDIRPTR;
			n = 3;
		}
		for (unsigned int i = 0; i < n; i++) {
			uint64_t was = rig.real->load64(rig.hw, at[i]);

			rig.real->store64(rig.hw, at[i], 0);
			look(&rig, s);
			assert_int_equal(s->n_entries, i + 1);
			assert_false(s->last[0].present);
			assert_non_null(strstr(s->last[0].meaning, "not present"));
			rig.real->store64(rig.hw, at[i], was);
		}
		rig_dev_remove(&d);
		rig_end(&rig);
	}
	free(s);
	(void)state;
}

struct freeing {
	struct uiommu_domain *dom;
	uint64_t id;
	pthread_t thread;
	_Atomic bool begun, done;
};

static void *free_it(void *arg)
{
	struct freeing *f = arg;

	f->begun = true;
	if (uiommu_domain_free(f->dom))
		abort();
	f->done = true;
	return NULL;
}

static void while_it_is_freed(void *opaque, const struct uiommu_show_domain *domain)
{
	struct freeing *f = opaque;

	if (domain->id != f->id)
		return;
	if (pthread_create(&f->thread, NULL, free_it, f))
		abort();
	while (!f->begun)
		sched_yield();
	/* Time enough to get it wrong. */
	for (unsigned int i = 0; i < 2000; i++)
		sched_yield();
	assert_false(f->done);
}

/* Who frees a domain that is being shown waits, and it is no error. */
static void freeing_waits_for_the_visit(void **state)
{
	struct uiommu_show_ops ops = { .size = sizeof(ops), .domain = while_it_is_freed };
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE, .plain = true };
	struct freeing f = { .id = 2 };
	struct uiommu_domain *other[2];
	struct seen *s = malloc(sizeof(*s));
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &opts);
	other[0] = rig_domain(&rig, D_SECOND_A, &want);
	f.dom = rig_domain(&rig, D_SECOND_A, &want);
	other[1] = rig_domain(&rig, D_SECOND_A, &want);
	assert_int_equal(uiommu_show(rig.iommu, &ops, &f), 0);
	pthread_join(f.thread, NULL);
	assert_true(f.done);
	look(&rig, s);
	assert_int_equal(s->n_domains, 3);
	assert_int_equal(s->domain[1].id, 1);
	assert_int_equal(s->domain[2].id, 3);
	rig_domain_free(other[0]);
	rig_domain_free(other[1]);
	rig_end(&rig);
	free(s);
	(void)state;
}

/* A domain that its caller gave up and hardware may still reach is shown until the end. */
static void quarantined_domains_are_shown(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE };
	struct seen *s = malloc(sizeof(*s));
	struct uiommu_domain *a;
	unsigned int found = 0;
	struct rig_dev d;
	struct rig rig;
	uint64_t want;

	rig_begin(&rig, &opts);
	rig.hung = true;
	rig_dev_add(&rig, &d, 0x18);
	a = rig_domain(&rig, D_SECOND_A, &want);
	assert_int_equal(uiommu_attach_group(d.group, a, NULL), 0);
	to_vtdd(rig.iommu)->queue.timeout_ns = 1000000;
	vtd_model_fail_descriptor(rig.hw, 1, VTD_FAIL_HANG);
	uiommu_block_group(d.group);
	look(&rig, s);
	assert_true(s->attachment[0].stuck);
	rig_dev_remove(&d);
	assert_int_equal(uiommu_domain_free(a), 0);
	look(&rig, s);
	for (unsigned int i = 0; i < s->n_domains; i++)
		found += s->domain[i].quarantined;
	assert_int_equal(found, 1);
	rig_end(&rig);
	free(s);
	(void)state;
}

static void wrong_arguments_are_refused(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE };
	struct {
		struct uiommu_show_ops ops;
		void *later;
	} newer = { .ops = { .size = sizeof(newer) } };
	struct uiommu_show_ops older = all;
	struct seen *s = calloc(1, sizeof(*s));
	struct rig_dev d;
	struct rig rig;

	rig_begin(&rig, &opts);
	rig_dev_add(&rig, &d, 0x18);
	assert_int_equal(uiommu_show(NULL, &all, s), -EINVAL);
	assert_int_equal(uiommu_show(rig.iommu, NULL, s), -EINVAL);
	older.size = 0;
	assert_int_equal(uiommu_show(rig.iommu, &older, s), -EINVAL);
	assert_int_equal(uiommu_show(rig.iommu, &newer.ops, s), 0);
	newer.later = s;
	assert_int_equal(uiommu_show(rig.iommu, &newer.ops, s), -E2BIG);
	/* A library knows callbacks that an older program does not have. */
	older.size = offsetof(struct uiommu_show_ops, group);
	assert_int_equal(uiommu_show(rig.iommu, &older, s), 0);
	assert_int_equal(s->n_domains, 1);
	assert_int_equal(s->n_groups, 0);
	assert_int_equal(s->n_entries, 0);
	rig_dev_remove(&d);
	rig_end(&rig);
	free(s);
	(void)state;
}

struct storm {
	struct rig rig;
	struct rig_dev dev[2];
	struct uiommu_domain *dom[2];
	_Atomic bool over;
};

static void *replacer(void *arg)
{
	struct storm *st = arg;

	for (unsigned int i = 0; !st->over; i++)
		if (uiommu_group_replace_domain(st->dev[0].group, st->dom[i & 1], NULL, NULL))
			abort();
	return NULL;
}

/* Groups and domains come and go, mappings too. */
static void *maker(void *arg)
{
	struct storm *st = arg;
	struct uiommu_domain_opts paging = { .size = sizeof(paging), .type = UIOMMU_DOMAIN_PAGING };
	struct uiommu_domain *dom;
	struct uiommu_device *dev;
	struct uiommu_group *group;

	while (!st->over) {
		if (uiommu_domain_alloc(st->rig.iommu, &paging, &dom) ||
		    uiommu_map(dom, 0x400000, 0x5000, 0x400000, UIOMMU_READ) ||
		    uiommu_group_create(st->rig.iommu, &group) || uiommu_device_add(group, 0x1234, &dev) ||
		    uiommu_attach_group(group, dom, NULL) || uiommu_unmap(dom, 0x400000, 0x400000))
			abort();
		uiommu_detach_group(group);
		uiommu_device_remove(dev);
		uiommu_group_destroy(group);
		if (uiommu_domain_free(dom))
			abort();
	}
	return NULL;
}

static void shown_while_it_works(void **state)
{
	struct rig_opts opts = { .mode = UIOMMU_VTD_SCALABLE, .plain = true };
	struct storm *st = calloc(1, sizeof(*st));
	struct seen *s = malloc(sizeof(*s));
	unsigned int each[2] = { 0 };
	pthread_t thread[2];
	uint64_t want, id[2];

	rig_begin(&st->rig, &opts);
	rig_dev_add(&st->rig, &st->dev[0], 0x18);
	rig_dev_join(&st->rig, &st->dev[1], &st->dev[0], 0x19);
	for (unsigned int i = 0; i < 2; i++)
		st->dom[i] = rig_domain(&st->rig, i ? D_FIRST_A : D_SECOND_A, &want);
	look(&st->rig, s);
	id[0] = s->domain[1].id;
	id[1] = s->domain[2].id;
	assert_int_equal(pthread_create(&thread[0], NULL, replacer, st), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, maker, st), 0);
	for (unsigned int turn = 0; turn < TURNS || !each[0] || !each[1]; turn++) {
		look(&st->rig, s);
		assert_true(s->n_groups >= 1 && s->n_groups <= 2);
		assert_true(s->n_attachments >= 2);
		/* Both devices of the group are on one domain at the moment that is shown. */
		assert_int_equal(s->attachment[0].domain, s->attachment[1].domain);
		if (!s->attachment[0].domain)
			continue;
		each[s->attachment[0].domain == id[1]]++;
		/* The tag may be younger than the domain's record; the next look knows it. */
		if (domain_of(s, id[0])->tag != UIOMMU_SHOW_NO_TAG &&
		    domain_of(s, id[1])->tag != UIOMMU_SHOW_NO_TAG) {
			check_entry(s, 0, true);
			check_entry(s, 1, true);
		}
	}
	st->over = true;
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	uiommu_block_group(st->dev[0].group);
	rig_domain_free(st->dom[0]);
	rig_domain_free(st->dom[1]);
	rig_dev_remove(&st->dev[1]);
	rig_dev_remove(&st->dev[0]);
	rig_end(&st->rig);
	free(st);
	free(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_those_of_the_domain),
		cmocka_unit_test(pasids_and_states),
		cmocka_unit_test(counts_are_those_of_the_mappings),
		cmocka_unit_test(broken_walks_end_early),
		cmocka_unit_test(freeing_waits_for_the_visit),
		cmocka_unit_test(quarantined_domains_are_shown),
		cmocka_unit_test(wrong_arguments_are_refused),
		cmocka_unit_test(shown_while_it_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
