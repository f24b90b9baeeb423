/*
 * faults.h - whether managed memory comes by being touched here. Where the system refuses
 * userfaultfd it does not, and a row that is about such memory is skipped; where the system has it,
 * memory that does not come is a failure.
 */
#ifndef CONFORMANCE_FAULTS_H
#define CONFORMANCE_FAULTS_H

/* Ends the row unless it does. */
void need_faults(void);

#endif
