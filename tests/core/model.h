/* SPDX-License-Identifier: MIT */
/*
 * The rules of the core, as short as they can be said: numbers instead of
 * pointers, one function for every kind of change. Domain 0 is blocking, on each
 * IOMMU. Devices, groups and domains are numbers; -1 is none.
 */
#ifndef TESTS_CORE_MODEL_H
#define TESTS_CORE_MODEL_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { M_DEVS = 32, M_DOMAINS = 16, M_GROUPS = 4 };

struct model_dev {
	int group, domain;
	bool stuck;
	bool fail_prepare, fail, lost, batch_lost, fail_back, fail_park;
};

struct model {
	struct model_dev dev[M_DEVS];
	struct { int domain, deflt, iommu; bool blocked; } group[M_GROUPS];	/* deflt: default domain */
	bool quarantined[M_DOMAINS];
	unsigned int parked, unwind_failed, quarantines;	/* events */
	int order[M_DEVS], n;					/* devices by time of adding */
};

struct model_move { int dev, to, iommu; };

static inline void model_quarantine(struct model *m, int domain)
{
	if (domain > 0) {
		m->quarantined[domain] = true;
		m->quarantines++;
	}
}

/* at: where it stands, -1: lost. to: -1 when it never was prepared. */
static inline void model_park(struct model *m, int dev, int at, int to)
{
	struct model_dev *d = &m->dev[dev];
	int from = d->domain;

	d->domain = 0;
	d->stuck = at != 0 && d->fail_park;
	m->parked += !d->stuck;
	if (d->stuck) {
		model_quarantine(m, from);
		model_quarantine(m, to);
	}
}

/* Moves that must succeed. behind: an earlier device failed, what is marked batch_lost is lost with it. */
static inline void model_force(struct model *m, const struct model_move *v, int n)
{
	bool behind = false;

	for (int i = 0; i < n; i++) {
		struct model_dev *d = &m->dev[v[i].dev];
		bool gone = behind && d->batch_lost;

		if (d->fail_prepare) {
			model_park(m, v[i].dev, d->domain, -1);
		} else if (d->fail || gone) {
			model_park(m, v[i].dev, gone || d->lost ? -1 : d->domain, v[i].to);
			behind = true;
		} else {
			d->domain = v[i].to;
		}
	}
}

static inline int model_prepare(const struct model *m, const struct model_move *v, int n)
{
	for (int i = 0; i < n; i++)
		if (m->dev[v[i].dev].fail_prepare)
			return -ENOSPC;
	return 0;
}

/* Moves that may fail, in the order of the IOMMUs: device k does, those before go back. */
static inline int model_commit(struct model *m, const struct model_move *v, int n)
{
	int k = 0;

	while (k < n && !m->dev[v[k].dev].fail)
		k++;
	for (int i = 0; i < n; i++) {
		struct model_dev *d = &m->dev[v[i].dev];
		bool gone = false;

		for (int j = i < k ? 0 : k; j < i && k < n; j++)
			gone |= v[j].iommu == v[i].iommu && d->batch_lost &&
				(i < k ? m->dev[v[j].dev].fail_back : j == k);
		if (k == n) {
			d->domain = v[i].to;
		} else if (i >= k ? gone || (i == k && d->lost) : gone || d->fail_back) {
			m->unwind_failed += i < k;
			model_park(m, v[i].dev, gone || d->lost ? -1 : v[i].to, v[i].to);
		}
	}
	return k == n ? 0 : v[k].dev & 1 ? -EIO : -ETIMEDOUT;
}

/* Appends the devices of a group that a change concerns. -EIO: one is stuck. */
static inline int model_collect(const struct model *m, int group, int to, struct model_move *v, int *n)
{
	int err = 0;

	for (int i = 0; i < m->n; i++) {
		const struct model_dev *d = &m->dev[m->order[i]];

		if (d->group != group || m->group[group].domain == to)
			continue;
		if (d->stuck)
			err = -EIO;
		else if (d->domain != to)
			v[(*n)++] = (struct model_move){ m->order[i], to, m->group[group].iommu };
	}
	return err;
}

static inline void model_unstick(struct model *m, int dev)
{
	struct model_dev *d = &m->dev[dev];

	m->parked += d->stuck && !d->fail_park;
	d->stuck = d->stuck && d->fail_park;
}

/* Attach (core), replace, detach and block (must). */
static inline int model_change(struct model *m, int group, int to, bool must, bool core)
{
	struct model_move v[M_DEVS];
	int n = 0, err, now = m->group[group].domain;

	if (core && now && now != m->group[group].deflt)
		return -EBUSY;
	for (int i = 0; must && i < m->n; i++)
		if (m->dev[m->order[i]].group == group)
			model_unstick(m, m->order[i]);
	err = model_collect(m, group, to, v, &n);
	if (must)
		model_force(m, v, n);
	else if (now != to && (err || (err = model_prepare(m, v, n)) || (err = model_commit(m, v, n))))
		return err;
	m->group[group].domain = to;
	return 0;
}

static inline int model_add(struct model *m, int group, int dev)
{
	struct model_move v = { dev, m->group[group].domain, 0 };
	int err = 0;

	m->dev[dev].domain = 0;
	if (v.to && ((err = model_prepare(m, &v, 1)) || (err = model_commit(m, &v, 1))))
		return err;
	m->dev[dev].group = group;
	m->order[m->n++] = dev;
	return 0;
}

static inline void model_remove(struct model *m, int dev)
{
	struct model_move v = { dev, 0, 0 };
	int group = m->dev[dev].group, left = 0, i = 0;

	if (m->dev[dev].stuck)
		model_unstick(m, dev);
	else
		model_force(m, &v, m->dev[dev].domain != 0);
	m->dev[dev].group = -1;
	while (m->order[i] != dev)
		i++;
	memmove(&m->order[i], &m->order[i + 1], (size_t)(--m->n - i) * sizeof(int));
	for (i = 0; i < m->n; i++)
		left += m->dev[m->order[i]].group == group;
	if (!left && !m->group[group].blocked)
		m->group[group].domain = m->group[group].deflt;
}

#endif
