// Package cap reads, judges and writes public warnings in the Common Alerting
// Protocol: CAP 1.2 (OASIS, 1 July 2010), and for reading 1.1 and 1.0. It is for the
// feeds of the alert module, for what it publishes, for the converter and the
// validator.
//
// It is liberal in what it reads: what breaks the standard is read as far as it goes
// and comes with its deviations. What it writes is valid by the standard's schema, or
// it is not written. Nothing is fetched, signed, expired or deduplicated here, no code
// of an area is looked up, and all is pure: no clock, no random, no files, no network.
package cap
