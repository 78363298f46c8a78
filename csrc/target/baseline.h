/*
 * baseline.h - a detector's baseline in a file: two slots one after the other, as tsad.h wants them in flash. Says
 * itself what is wrong (fail.h), and gives an exit code: 0 is fine.
 */
#ifndef TSAD_BASELINE_H
#define TSAD_BASELINE_H

#include "columns.h"

/* Puts the file's newest baseline into force; a file that is not there yet is fine where `may_lack`. */
int baseline_use(const char *path, tsad *d, int may_lack);

/* Learns from the rows of a table, all of them declared normal, and writes the file. *pending as of table_columns. */
int baseline_learn(const char *path, tsad *d, table *t, float *sample, int pending);

/* Goes back to the baseline before the newest, and writes the file. */
int baseline_rollback(const char *path, tsad *d);

#endif
