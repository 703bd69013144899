// Package exchange is the control-room node: it takes UCRI 2 messages from the
// dispatch systems of its own control room and from the nodes of neighbours,
// keeps them on disk, and hands them on, in order and exactly as they came but for
// what the rules of disclosure withhold from another node (Judge). It is for control
// rooms and for everything on the platform that sends messages between authorities.
//
// A message is one row of exchange_message from its acceptance to its end; that
// row is the queue, the outbox, the receipt and the archive at once. Nothing is
// acknowledged before its row is committed. The way of a message:
//
//	Send (http.go → node.go) → accept (store.go) → local: Receive, Commit
//	                                             → remote: judgement.go → outbox.go → peer
//	expiry.go ends what nobody took in time; status.go writes the one terminal
//	receipt; registry.go and presence.go know who is reachable, and where.
//
// It does not translate between formats (adapters do), has no screen, and never
// presumes that a person accepted anything.
package exchange
