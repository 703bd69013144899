// Package play runs an exercise on a driven clock and scores it from its log of events alone:
// the same log gives the same score, byte for byte, wherever and whenever it is asked. It is
// for the solo exercise, for the command line and for tests, which let bots play. It sends
// nothing, needs neither node nor database, and knows no clock but the minute of the scenario.
package play
