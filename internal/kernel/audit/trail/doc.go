// Package trail is the audit log for people: the list of what was recorded in an
// organisation, as a page, for paper and as a file, and the state of the chain that
// proves it. It is for the auditor, who reads everything his people did and changes
// nothing; a court or a neighbour gets the export of package audit instead.
//
// A leaf says of itself only who acted on what. Whose it is follows from that:
//
//   - of a person's deed, the organisation the person belongs to or belonged to;
//   - of what the node, its command line or a machine did, the organisation whose
//     person, name or address it was done to or by;
//   - of all the rest, the organisation that operates the node.
//
// So nobody reads what another organisation's people did. The package knows no
// module: names, neighbours and incidents come as functions.
package trail
