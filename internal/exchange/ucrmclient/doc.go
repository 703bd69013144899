// Package ucrmclient calls the two HTTP interfaces of a UCRI 2 node (transport
// 2.0.0): the client API and the P2P API, by their base URL. It is for the
// node's own sending to peers, the command line, the load generator and the
// demo, and knows nothing but the wire format.
//
// It keeps connections open and renews its token by itself. It does not retry,
// queue or remember messages: an error says whether trying again makes sense
// (Refusal.Final), and whoever owns the message decides. It follows no redirect
// and uses no proxy; a token must not travel to a third party.
package ucrmclient
