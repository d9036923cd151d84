// SPDX-License-Identifier: Apache-2.0
//
// The types that BPF programs have from the kernel's; for the ABI header's test alone.
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
