// Package intake fetches the official feeds of warnings and of gauges, keeps what was
// sent before anything is read, has it read by the packages of feeds, and hands the
// readings on in the transaction in which it remembers them. It says of every feed how
// old its news is: fresh, stale, failing, never fetched or off, for the pages of all
// modules, for health and for operators, who see here what was sent and what was odd.
//
// It takes no document apart, decides nothing about what a warning is or whom it
// concerns, and stores no warning and no level: who does, takes them by Options. That a
// feed is silent never means that there is no warning.
package intake
