// Package bench is a load generator for any UCRI 2 node by its address, and the
// speed table of the product. It is for developers who change the node, for
// operators who size a machine and for comparing nodes of other makers; it uses
// the client API only and knows no module.
//
// It starts no node, and it empties the queues it measures: by default it calls
// loopback addresses only and refuses a queue with messages of others in it. It
// makes no claim about another machine: the figures stand beside those of the
// disk and of an empty HTTP exchange, taken in the same run.
package bench
