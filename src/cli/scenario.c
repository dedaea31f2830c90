/* SPDX-License-Identifier: MIT */
/*
 * The scenario: switch after switch, with its bookkeeping. The order in a switch:
 * the domain to come is made ready while nobody uses it; the bystander that sat on
 * the domain before the last moves there; then the victim is switched, timed, and
 * judged by its probe.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uiommu/copy.h>

#include "base/clock.h"
#include "cli/churn.h"
#include "cli/traffic.h"
#include "cli/world.h"

const char *const kind_names[] = { "blocked", "identity", "second", "first", NULL };
const char *const method_names[] = { "replace", "detach-attach", "remap", NULL };
const char *const preset_names[] = { "weakest", "any-order", "in-order", "qemu", NULL };

enum {
	SAMPLES = 1 << 16,
	REMAKE_EVERY = 4, /* uses of a domain before it is destroyed and made anew */
	PATIENCE = 10,	  /* times the seconds asked for, at most, until a gap was met */
#ifdef UIOMMU_STEERED
	PROBE_BATCH = 3,
#else
	PROBE_BATCH = 16,
#endif
	STEERED_TURNS = 6, /* turns given to the other tasks after a switch, steered build */
};

struct run {
	struct world *w;
	struct scenario_result *res;
	uint64_t k; /* switches done */
	struct slot *current;
	bool over;	  /* the last switch was made */
	uint64_t seen[4]; /* victim's counts when the current direction began */
};

const char *scenario_check(const struct scenario_opts *opts)
{
	bool same = opts->from == opts->to;
	bool paging = opts->from == KIND_SECOND || opts->from == KIND_FIRST;

	if (opts->mode == UIOMMU_VTD_LEGACY && (opts->from == KIND_FIRST || opts->to == KIND_FIRST))
		return "legacy mode has no first stage; use --mode scalable";
	if (same && !paging)
		return "replacing a domain by another of the same kind needs page tables: use second or "
		       "first";
	if (opts->method == METHOD_REMAP && !(same && paging))
		return "remap empties and refills one paging domain: --from and --to must be the same stage";
	if (opts->mappings > 64 * 1024 * 1024)
		return "at most 67108864 mappings";
	return NULL;
}

static int replace_bystander(struct run *r, unsigned int b, struct slot *to, enum uiommu_gap worst)
{
	struct uiommu_replace_opts opts = { .size = sizeof(opts), .worst_gap = worst };
	struct probe_history *history = &r->w->bystander_history[b];
	int err;

	probe_history_begin(history, to->stamp);
	err = uiommu_group_replace_domain(r->w->bystander[b], to->domain, &opts, NULL);
	if (err)
		probe_history_cancel(history);
	else
		probe_history_end(history);
	return err;
}

/*
 * Bystander b goes where the victim will go next, without a gap if that can be had;
 * otherwise its accesses rest, so that all that is blocked later is the victim's doing.
 */
static int move_bystander(struct run *r, unsigned int b, struct slot *to)
{
	struct world *w = r->w;
	int err = -EOPNOTSUPP;

	if (to->kind != KIND_BLOCKED)
		err = replace_bystander(r, b, to, UIOMMU_GAP_NONE);
	if (err == -EOPNOTSUPP) {
		probe_pause(w->bystander_probe[b]);
		err = replace_bystander(r, b, to, UIOMMU_GAP_UNKNOWN);
	}
	if (err)
		return world_error(w, err, "moving a bystander");
	if (to->kind != KIND_BLOCKED)
		probe_resume(w->bystander_probe[b]);
	return 0;
}

/* Nobody is on the slot: destroy and make anew now and then, else new pages and a new generation. */
static int ready_slot(struct run *r, struct slot *s)
{
	enum kind kind = s->kind;
	unsigned int uses = s->uses + 1;
	int err;

	if (uses % REMAKE_EVERY == 0) {
		err = slot_free(r->w, s);
		if (!err)
			err = slot_make(r->w, s, kind);
	} else {
		err = slot_refresh(r->w, s);
	}
	s->uses = uses;
	return err;
}

/* Switch k goes from D[k] to D[k + 1]: sides alternate, and each side has two slots. */
static struct slot *slot_for(struct run *r, uint64_t k)
{
	return &r->w->slot[(k & 1) * 2 + ((k >> 1) & 1)];
}

static void note_report(struct scenario_direction *d, const struct uiommu_report *report)
{
	if (d->switches && report->gap <= d->gap)
		return;
	d->gap = report->gap;
	d->strategy = report->strategy;
	d->stores = report->stores;
	d->config_syncs = report->config_syncs;
	d->tag_flushes = report->tag_flushes;
	snprintf(d->reason, sizeof(d->reason), "%s", report->reason);
}

/* The victim's counts since the last call belong to the direction that was switched before. */
static void attribute(struct run *r, struct scenario_direction *d)
{
	const struct probe_counts *c = probe_counts(r->w->victim_probe);
	uint64_t now[4] = { atomic_load(&c->right), atomic_load(&c->stale), atomic_load(&c->wrong),
			    atomic_load(&c->blocked) };

	if (d) {
		/* What went right after the last switch says nothing about switches. */
		if (!r->over)
			d->right += now[0] - r->seen[0];
		d->stale += now[1] - r->seen[1];
		d->wrong += now[2] - r->seen[2];
		d->blocked += now[3] - r->seen[3];
	}
	memcpy(r->seen, now, sizeof(now));
}

static int do_remap(struct run *r, struct scenario_direction *d)
{
	struct world *w = r->w;
	struct slot *s = r->current;
	unsigned int former = s->set;
	uint64_t start;
	int err = slot_take_set(w, s);

	if (err)
		return err;
	probe_history_begin(&w->victim_history, s->stamp);
	start = clock_ticks();
	err = slot_unmap_all(w, s);
	if (!err)
		err = slot_map_all(w, s);
	samples_add(&d->total, clock_ns(clock_ticks() - start));
	probe_history_end(&w->victim_history);
	slot_drop_set(w, former);
	return err;
}

static int do_switch(struct run *r, struct slot *to, struct scenario_direction *d)
{
	struct world *w = r->w;
	struct uiommu_report report;
	uint64_t start, ticks;
	int err;

	memset(&report, 0, sizeof(report));
	probe_history_begin(&w->victim_history, to->stamp);
	start = clock_ticks();
	if (w->opts->method == METHOD_REPLACE) {
		err = uiommu_group_replace_domain(w->victim, to->domain, NULL, &report);
	} else {
		uiommu_block_group(w->victim);
		err = uiommu_attach_group(w->victim, to->domain, &report);
	}
	ticks = clock_ticks() - start;
	probe_history_end(&w->victim_history);
	if (err)
		return world_error(w, err, "switch %llu: %s", (unsigned long long)r->k, report.reason);
	samples_add(&d->total, clock_ns(ticks));
	if (w->opts->method == METHOD_REPLACE) {
		samples_add(&d->cpu, report.cpu_ns);
		samples_add(&d->drain, report.drain_ns);
		note_report(d, &report);
	}
	r->current = to;
	return 0;
}

static struct scenario_direction *direction(struct run *r, uint64_t k)
{
	return &r->res->dir[r->res->n_dirs == 2 ? k & 1 : 0];
}

/* The steered build has one thread: give the other tasks their turns. */
static void let_others_run(void)
{
#ifdef UIOMMU_STEERED
	struct task_spin spin = { 0 };
	unsigned int i;

	for (i = 0; i < STEERED_TURNS; i++)
		task_relax(&spin);
#endif
}

static int one_switch(struct run *r)
{
	struct scenario_direction *d = direction(r, r->k);
	struct slot *to;
	int err;

	if (r->w->opts->method == METHOD_REMAP) {
		attribute(r, r->k ? direction(r, r->k - 1) : NULL);
		err = do_remap(r, d);
	} else {
		to = slot_for(r, r->k + 1);
		err = ready_slot(r, to);
		if (!err)
			err = move_bystander(r, (r->k + 1) & 1, to);
		if (err)
			return err;
		let_others_run();
		attribute(r, r->k ? direction(r, r->k - 1) : NULL);
		err = do_switch(r, to, d);
	}
	if (err)
		return err;
	d->switches++;
	r->k++;
	let_others_run();
	return 0;
}

static int start_probe(struct world *w, unsigned int port, struct probe_history *history, bool paused,
		       struct probe **probe)
{
	struct probe_opts opts = {
		.ctx = w->ctx,
		.tasks = w->tasks,
		.port = w->port[port],
		.pasid = UIOMMU_NO_PASID,
		.history = history,
		.pages = w->probe_iova,
		.n_pages = PROBE_PAGES,
		.write_page = w->write_iova,
		.batch = PROBE_BATCH,
		.seed = w->opts->seed * (1 + BYSTANDERS) + port,
		.paused = paused,
	};
	int err = probe_start(&opts, probe);

	return err ? world_error(w, err, "starting a probe") : 0;
}

static int make_slots(struct world *w)
{
	bool remap = w->opts->method == METHOD_REMAP;
	unsigned int i;
	int err = 0;

	/* Remap: slot 0 is the victim's, 1 and 2 are the bystanders' own. */
	for (i = 0; !err && i < (remap ? 3 : SLOTS); i++)
		err = slot_make(w, &w->slot[i], i < 2 ? w->opts->from : w->opts->to);
	return err;
}

/* Where everybody is before the first switch: victim and one bystander on D[0], the other on D[-1]. */
static int start(struct run *r)
{
	struct world *w = r->w;
	bool remap = w->opts->method == METHOD_REMAP;
	struct slot *by[BYSTANDERS];
	unsigned int i;
	int err = make_slots(w);

	if (err)
		return err;
	r->current = &w->slot[0];
	by[0] = remap ? &w->slot[1] : slot_for(r, 0);
	by[1] = remap ? &w->slot[2] : slot_for(r, 3);
	err = uiommu_attach_group(w->victim, r->current->domain, NULL);
	for (i = 0; !err && i < BYSTANDERS; i++) {
		err = uiommu_attach_group(w->bystander[i], by[i]->domain, NULL);
		probe_history_init(&w->bystander_history[i], by[i]->stamp);
	}
	if (err)
		return world_error(w, err, "first attach");
	probe_history_init(&w->victim_history, r->current->stamp);
	err = start_probe(w, 0, &w->victim_history, false, &w->victim_probe);
	/* On the blocking domain there is nothing to see for a bystander. */
	for (i = 0; !err && i < BYSTANDERS; i++)
		err = start_probe(w, 1 + i, &w->bystander_history[i], by[i]->kind == KIND_BLOCKED,
				  &w->bystander_probe[i]);
	if (!err && w->opts->len)
		err = traffic_start(w, &w->traffic);
#ifdef UIOMMU_STEERED
	if (!err)
		err = churn_start(w, &w->churn);
#endif
	return err;
}

static void note_bad(struct scenario_result *res, const struct probe_counts *c, const char *who)
{
	char saw[96];

	if (res->bad[0] || !atomic_load(&c->have_bad))
		return;
	if (c->bad.cell.domain == SLOT_POISON)
		snprintf(saw, sizeof(saw), "memory that had been given up");
	else
		snprintf(saw, sizeof(saw), "domain %llu, generation %llu, stamped for IOVA 0x%llx",
			 (unsigned long long)c->bad.cell.domain, (unsigned long long)c->bad.cell.generation,
			 (unsigned long long)c->bad.cell.iova);
	snprintf(res->bad, sizeof(res->bad), "%s: %s access to IOVA 0x%llx, sequence %llu to %llu, saw %s",
		 who, c->bad.wrong ? "wrong" : "stale", (unsigned long long)c->bad.iova,
		 (unsigned long long)c->bad.seq_before, (unsigned long long)c->bad.seq_after, saw);
}

static void collect(struct run *r)
{
	struct scenario_result *res = r->res;
	struct world *w = r->w;
	const struct probe_counts *c;
	unsigned int i;

	if (w->victim_probe) {
		probe_stop(w->victim_probe);
		attribute(r, r->k ? direction(r, r->k - 1) : &res->dir[0]);
		c = probe_counts(w->victim_probe);
		res->longest_stall_ns = atomic_load(&c->longest_ns);
		note_bad(res, c, "victim");
	}
	for (i = 0; i < BYSTANDERS; i++) {
		if (!w->bystander_probe[i])
			continue;
		probe_stop(w->bystander_probe[i]);
		c = probe_counts(w->bystander_probe[i]);
		res->bystander_right += atomic_load(&c->right);
		res->bystander_stale += atomic_load(&c->stale);
		res->bystander_wrong += atomic_load(&c->wrong);
		res->bystander_blocked += atomic_load(&c->blocked);
		note_bad(res, c, "bystander");
	}
	churn_stop(w->churn, &res->churn_bad);
	w->churn = NULL;
	if (res->churn_bad && !res->bad[0])
		snprintf(res->bad, sizeof(res->bad), "churn: %llu accesses saw what is not theirs",
			 (unsigned long long)res->churn_bad);
	slot_check_sets(w);
	if (w->late_writes && !res->bad[0])
		snprintf(res->bad, sizeof(res->bad),
			 "a write landed in memory that had been given up (%llu cells)",
			 (unsigned long long)w->late_writes);
	res->late_writes = w->late_writes;
	if (w->engine) {
		res->engine_accesses = uiommu_copy_read(w->engine, UIOMMU_COPY_ACCESSES);
		res->engine_blocked = uiommu_copy_read(w->engine, UIOMMU_COPY_BLOCKED);
	}
}

/* The file must get through: leave the blocking domain, wait for a whole pass. */
static int finish_traffic(struct run *r)
{
	struct world *w = r->w;
	struct slot *to;
	int err;

	if (!w->traffic)
		return 0;
	if (r->current->kind == KIND_BLOCKED) {
		to = slot_for(r, r->k + 1);
		err = ready_slot(r, to);
		probe_history_begin(&w->victim_history, to->stamp);
		if (!err)
			err = uiommu_attach_group(w->victim, to->domain, NULL);
		probe_history_end(&w->victim_history);
		if (err)
			return world_error(w, err, "leaving the blocking domain");
		r->current = to;
	}
	traffic_finish(w->traffic, &r->res->files_equal, &r->res->bytes_copied);
	r->res->passes = traffic_passes(w->traffic);
	return 0;
}

/*
 * Who switches has a CPU of its own, the devices share the others: otherwise the
 * scheduler may put the switching thread and the probes on one CPU, and nothing is
 * in flight while a switch runs. Threads made in between inherit the others.
 */
struct placement {
	cpu_set_t all, own;
	bool active;
};

static void place_others(struct placement *p)
{
#ifndef UIOMMU_STEERED
	cpu_set_t others;
	int cpu = sched_getcpu();

	if (sched_getaffinity(0, sizeof(p->all), &p->all) || CPU_COUNT(&p->all) < 2 || cpu < 0 ||
	    cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&p->own);
	CPU_SET(cpu, &p->own);
	CPU_XOR(&others, &p->all, &p->own);
	p->active = !sched_setaffinity(0, sizeof(others), &others);
#else
	(void)p;
#endif
}

static void place_self(const struct placement *p)
{
	if (p->active)
		sched_setaffinity(0, sizeof(p->own), &p->own);
}

static void place_end(const struct placement *p)
{
	if (p->active)
		sched_setaffinity(0, sizeof(p->all), &p->all);
}

/*
 * A method that blocks by construction has been seen at work only when a probe met
 * it; where the CPUs are busy with other things that may take longer than asked for.
 */
static bool seen_enough(const struct run *r, double seconds)
{
	const struct scenario_opts *opts = r->w->opts;
	unsigned int i;

	if (seconds < opts->seconds)
		return false;
	if (opts->method == METHOD_REPLACE || seconds >= opts->seconds * PATIENCE)
		return true;
	for (i = 0; i < r->res->n_dirs; i++)
		if (!r->res->dir[i].blocked)
			return false;
	return true;
}

static int loop(struct run *r)
{
	const struct scenario_opts *opts = r->w->opts;
	uint64_t begin = clock_ticks();
	double seconds = 0;
	int err = 0;

	while (!err && (!opts->switches || r->k < opts->switches)) {
		err = one_switch(r);
		if (r->k % 16 == 0 || opts->switches < 1000) {
			seconds = (double)clock_ns(clock_ticks() - begin) / 1e9;
			if (opts->seconds > 0 && seen_enough(r, seconds))
				break;
			if (opts->progress && opts->seconds > 0)
				opts->progress(opts->opaque, seconds, opts->seconds);
			else if (opts->progress)
				opts->progress(opts->opaque, (double)r->k, (double)opts->switches);
		}
	}
	r->res->seconds = (double)clock_ns(clock_ticks() - begin) / 1e9;
	attribute(r, r->k ? direction(r, r->k - 1) : NULL);
	r->over = true;
	return err;
}

static int init_result(const struct scenario_opts *opts, struct scenario_result *res)
{
	unsigned int i;
	int err = 0;

	memset(res, 0, sizeof(*res));
	res->n_dirs = opts->from == opts->to ? 1 : 2;
	res->files_equal = true;
	for (i = 0; i < 2; i++) {
		res->dir[i].from = i ? opts->to : opts->from;
		res->dir[i].to = i ? opts->from : opts->to;
		if (!err)
			err = samples_init(&res->dir[i].total, SAMPLES);
		if (!err)
			err = samples_init(&res->dir[i].cpu, SAMPLES);
		if (!err)
			err = samples_init(&res->dir[i].drain, SAMPLES);
	}
	return err;
}

int scenario_run(const struct scenario_opts *opts, struct scenario_result *res, char *error, size_t error_len)
{
	const char *nonsense = scenario_check(opts);
	struct run r = { .res = res };
	struct placement place = { .active = false };
	int err;

	if (error_len)
		error[0] = '\0';
	err = init_result(opts, res);
	if (err)
		return err;
	if (nonsense) {
		snprintf(error, error_len, "%s", nonsense);
		return -EINVAL;
	}
	clock_ns(1);
	place_others(&place);
	err = world_create(opts, &r.w, error, error_len);
	if (!err)
		err = start(&r);
	place_self(&place);
	if (!err && opts->running)
		opts->running(opts->running_opaque, r.w->iommu);
	if (!err)
		err = loop(&r);
	if (!err)
		err = finish_traffic(&r);
	if (r.w && r.w->victim)
		collect(&r);
	if (opts->running)
		opts->running(opts->running_opaque, NULL);
	world_destroy(r.w);
	place_end(&place);
	if (!err && error_len && error[0])
		err = -EIO;
	return err;
}

void scenario_result_fini(struct scenario_result *res)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		samples_fini(&res->dir[i].total);
		samples_fini(&res->dir[i].cpu);
		samples_fini(&res->dir[i].drain);
	}
}

uint64_t scenario_bad(const struct scenario_result *res)
{
	return res->late_writes + res->churn_bad + res->dir[0].stale + res->dir[0].wrong + res->dir[1].stale +
	       res->dir[1].wrong + res->bystander_stale + res->bystander_wrong;
}
