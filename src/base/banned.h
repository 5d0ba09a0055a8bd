/*
 * Force-included into every file: what cannot be used safely does not compile.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Macros in glibc, some with _FORTIFY_SOURCE only: a macro cannot be poisoned.
 */
#undef alloca
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat

#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf
#pragma GCC poison atoi atol atoll atof scanf sscanf localtime gmtime ctime
#pragma GCC poison asctime system popen tmpnam tempnam mktemp alloca

#endif
