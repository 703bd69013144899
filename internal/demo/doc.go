// Package demo shows a federation of three control rooms on one machine: it
// makes throw-away keys, certificates and configurations, starts the program
// three times, waits until the nodes know each other and plays an incident
// between them through the public client API. It is for whoever wants to see the
// product work, and for tests that need a federation.
//
// It knows no module and opens no database; what it shows, anybody with an
// account can do. Its keys and passwords are for this machine and nothing else.
package demo
