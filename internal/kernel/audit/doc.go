// Package audit is the node's append-only record of what happened, for people
// who have to show later, to a court or to the other country's authority, that
// nothing was added, changed or taken away.
//
// An event is one leaf, a row written in the event's own transaction: the time,
// ids, and a salted hash of the content. The salt lies under the incident's key
// (kernel/seal): with the key anybody can show what was recorded
// ([Log.Matches]), and once it is destroyed the leaf proves only that something
// was. Shortly afterwards one sequencer per node puts the leaf into a Merkle
// tree (RFC 6962, section 2.1) and signs the tree's head.
//
// What strangers can repeat at will is counted instead of recorded each time
// ([Log.Count]). People read the leaves by [List]; pages for them are in package
// trail.
//
// [Verify] needs the database and the public key only. What it cannot notice:
// a leaf changed in the moment before it came into the tree; and a database put
// back as a whole to an earlier state, unless a head that was written down
// elsewhere is given to it. The package holds no personal data, and is no log for
// operators.
package audit
