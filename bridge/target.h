/*
 * target.h
 *		Request targets and hosts: whether they are well-formed.  Pure.
 *
 * Sources: RFC 9112, section 3.2; RFC 9110, sections 4.2 and 7.2; RFC 3986, section 3.2.
 * route.h finds the route of a target.
 */
#ifndef PAT_BRIDGE_TARGET_H
#define PAT_BRIDGE_TARGET_H

#include <stdbool.h>

#include "header.h"

/*
 * Whether a whole request target, its query included, has neither blank nor control
 * character nor fragment in it.  Bytes above 0x7F are not judged here: in a path they
 * must be UTF-8 (route.h), a query is ignored.
 */
extern bool target_is_clean(HeaderValue target);

/*
 * Whether the target, up to its query at least, is of a form that the method may have:
 * a path; http:// or https:// with a host, and without a user; "*" for OPTIONS; anything
 * for CONNECT; anything with another scheme, for which there is no route.
 */
extern bool target_has_form(const char *method, const char *target);

/*
 * Whether this is the value of a Host header: uri-host [":" port], or nothing at all.
 * The caller trims blanks around it.
 */
extern bool target_is_host(HeaderValue host);

#endif
