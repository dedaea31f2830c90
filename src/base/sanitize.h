/* SPDX-License-Identifier: MIT */
/* Which sanitizer this build carries; gcc and clang say so differently. UBSan needs no care. */
#ifndef BASE_SANITIZE_H
#define BASE_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BUILD_TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define BUILD_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__) && !defined(BUILD_TSAN)
#define BUILD_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(BUILD_ASAN)
#define BUILD_ASAN 1
#endif

#ifndef BUILD_TSAN
#define BUILD_TSAN 0
#endif
#ifndef BUILD_ASAN
#define BUILD_ASAN 0
#endif

#endif
