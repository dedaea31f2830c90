/* SPDX-License-Identifier: MIT */
/*
 * Steered build: stacks and switches. A switch saves the registers that a function
 * call keeps, and nothing else; swapcontext() would cost two system calls, and more
 * under ASan. A fiber has a guard page below its stack; ASan is told of each switch, TSan
 * treats each fiber as a thread of its own that comes after the one it was switched from.
 */
#ifdef UIOMMU_STEERED

#include "base/fiber.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sanitize.h"

#define STACK_SIZE ((size_t)256 << 10)

/*
 * Saves the caller's registers on its stack and the top of that in *save, goes over to
 * sp, which was saved so by an earlier call, and returns there.
 */
void fiber_jump(void **save, void *sp);
/* Where a new stack returns to at first: passes the task on to fiber_entry(). */
void fiber_first(void);
/* Called from assembly alone, where link-time optimisation does not look. */
__attribute__((used)) void fiber_entry(struct task *t);

#if defined(__x86_64__)

#define SAVED_WORDS 7u		/* r15, r14, r13, r12, rbx, rbp, return address, upwards */
#define SAVED_TASK 4u		/* rbx */
#define SAVED_RETURN 6u

__asm__(".pushsection .text\n"
	".globl fiber_jump\n.hidden fiber_jump\n.type fiber_jump, @function\n"
	"fiber_jump:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size fiber_jump, . - fiber_jump\n"
	".globl fiber_first\n.hidden fiber_first\n.type fiber_first, @function\n"
	"fiber_first:\n"
	"	.cfi_startproc\n	.cfi_undefined rip\n"
	"	movq %rbx, %rdi\n	call fiber_entry\n	ud2\n"
	"	.cfi_endproc\n"
	".size fiber_first, . - fiber_first\n"
	".popsection\n");

#elif defined(__aarch64__)

#define SAVED_WORDS 20u		/* x19 to x30, d8 to d15, upwards */
#define SAVED_TASK 0u		/* x19 */
#define SAVED_RETURN 11u	/* x30 */

__asm__(".pushsection .text\n"
	".globl fiber_jump\n.hidden fiber_jump\n.type fiber_jump, %function\n"
	"fiber_jump:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp]\n	stp x21, x22, [sp, #16]\n	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n	stp x27, x28, [sp, #64]\n	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n	stp d14, d15, [sp, #144]\n"
	"	mov x2, sp\n	str x2, [x0]\n	mov sp, x1\n"
	"	ldp x19, x20, [sp]\n	ldp x21, x22, [sp, #16]\n	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n	ldp x27, x28, [sp, #64]\n	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n	ret\n"
	".size fiber_jump, . - fiber_jump\n"
	".globl fiber_first\n.hidden fiber_first\n.type fiber_first, %function\n"
	"fiber_first:\n"
	"	.cfi_startproc\n	.cfi_undefined x30\n"
	"	mov x0, x19\n	bl fiber_entry\n	brk #1\n"
	"	.cfi_endproc\n"
	".size fiber_first, . - fiber_first\n"
	".popsection\n");

#else
#error "fibers are known for x86-64 and aarch64 only"
#endif

#if BUILD_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **bottom_old, size_t *size_old);
#endif
#if BUILD_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned int flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
#endif

static _Thread_local struct task_set *bound_set;

struct task_set *fiber_set(void)
{
	return bound_set;
}

/* The creator runs on the thread's own stack; ASan wants to know its bounds. */
static void creator_stack(struct task *t)
{
	pthread_attr_t attr;
	void *low;

	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	if (!pthread_attr_getstack(&attr, &low, &t->stack_size))
		t->stack = low;
	pthread_attr_destroy(&attr);
}

void fiber_bind(struct task_set *set)
{
	bound_set = set;
	if (!set)
		return;
	if (BUILD_ASAN)
		creator_stack(set->first);
#if BUILD_TSAN
	set->first->tsan_fiber = __tsan_get_current_fiber();
#endif
}

/* First thing on a stack that was switched to. */
static void arrived(struct task *t)
{
	(void)t;
#if BUILD_ASAN
	__sanitizer_finish_switch_fiber(t->asan_fake_stack, NULL, NULL);
#endif
}

/*
 * Last thing on a stack before the jump. Inlined, because a function that returns after
 * TSan was told of the switch would be taken off the other fiber's call stack.
 */
static inline __attribute__((always_inline)) void leaving(struct task *from, struct task *to, bool for_good)
{
	(void)from;
	(void)to;
	(void)for_good;
#if BUILD_ASAN
	__sanitizer_start_switch_fiber(for_good ? NULL : &from->asan_fake_stack, to->stack, to->stack_size);
#endif
#if BUILD_TSAN
	__tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
}

void fiber_switch(struct task_set *set, struct task *t)
{
	struct task *from = set->running;

	set->running = t;
	t->ran = set->clock;
	leaving(from, t, false);
	fiber_jump(&from->sp, t->sp);
	arrived(from);
}

void fiber_leave(struct task_set *set, struct task *t)
{
	struct task *from = set->running;

	set->running = t;
	t->ran = set->clock;
	leaving(from, t, true);
	fiber_jump(&from->sp, t->sp);
	__builtin_unreachable();
}

void fiber_entry(struct task *t)
{
	arrived(t);
	fiber_main(t);
}

int fiber_prepare(struct task *t)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t *saved;
	char *area;

	if (alloc_should_fail(t->set->alloc))
		return -ENOMEM;
	area = mmap(NULL, guard + STACK_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (area == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(area, guard, PROT_NONE)) {
		munmap(area, guard + STACK_SIZE);
		return -ENOMEM;
	}
	alloc_count(t->set->alloc, 1);
	t->stack = area + guard;
	t->stack_size = STACK_SIZE;
	/* As if it had called fiber_jump() from the beginning of fiber_first(). */
	saved = (uintptr_t *)(void *)(t->stack + t->stack_size) - SAVED_WORDS;
	saved[SAVED_TASK] = (uintptr_t)t;
	saved[SAVED_RETURN] = (uintptr_t)fiber_first;
	t->sp = saved;
#if BUILD_TSAN
	t->tsan_fiber = __tsan_create_fiber(0);
#endif
	return 0;
}

void fiber_release(struct task *t)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);

#if BUILD_TSAN
	__tsan_destroy_fiber(t->tsan_fiber);
#endif
	munmap(t->stack - guard, guard + t->stack_size);
	alloc_count(t->set->alloc, -1);
}

#endif
