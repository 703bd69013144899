// Package demo shows a federation of three control rooms on one machine: it
// makes throw-away keys, certificates and configurations, starts the program
// three times, waits until the nodes know each other and plays an incident
// between them through the public client API. Behind a gateway of each node stands a
// simulated system that does not speak UCRI 2: a Czech one hands over to a Polish one,
// a hub sends EMSI, and dispatchers at the consoles' pages hand that on, ask for the
// caller and give it. It is for whoever wants to see the
// product work, and for tests that need a federation.
//
// It knows no module and opens no database; what it shows, anybody with an
// account can do. Its keys and passwords are for this machine and nothing else.
package demo
