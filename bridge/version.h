/*
 * version.h
 *		The bridge's version: that of the extension it is shipped with.
 */
#ifndef PAT_BRIDGE_VERSION_H
#define PAT_BRIDGE_VERSION_H

#define PAT_BRIDGE_VERSION "1.0"

#endif
