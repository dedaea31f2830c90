/* SPDX-License-Identifier: MIT */
/*
 * Read-copy-update: liburcu's bulletproof flavour (threads of a host program need
 * no registration), with the happens-before edges told to TSan, which does not
 * see inside an uninstrumented library.
 */
#ifndef BASE_RCU_H
#define BASE_RCU_H

#include <stdatomic.h>

/* Sections may nest. */
void rcu_section_begin(void);
void rcu_section_end(void);
/* Returns after every section that was running has ended. Not inside a section. */
void rcu_wait(void);

/* p is an _Atomic pointer. */
#define rcu_publish(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define rcu_read(p) atomic_load_explicit((p), memory_order_acquire)

#endif
