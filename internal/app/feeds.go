package app

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/store"
)

// takeWarnings enters what a source of warnings said, in the transaction in which it is
// remembered as fetched.
func (n *node) takeWarnings(tx *store.Tx, d intake.Document, r *feed.Reading) error {
	_, err := n.warnings.Take(tx, warning.Fetched{Feed: d.Format, Series: d.Source, Kind: d.Kind, At: d.FetchedAt,
		Ref: bundle(d), Size: d.Size, Link: intake.OriginalAddress(d.Source, d.ID)}, r)
	return err
}

// noNews notes that a source of warnings was asked and what it said last still holds.
func (n *node) noNews(tx *store.Tx, d intake.Document) error {
	return n.warnings.Again(tx, warning.Fetched{Feed: d.Format, Series: d.Source, Kind: d.Kind, At: d.FetchedAt})
}

// takeGauges enters what a service of gauges said.
func (n *node) takeGauges(tx *store.Tx, d intake.Document, r *gauge.Reading) error {
	_, err := n.rivers.Take(tx, river.From{Service: strings.TrimSuffix(d.Format, "-gauges"), Endpoint: d.Address, Fetched: d.FetchedAt, Kind: d.Kind}, r)
	return err
}

// bundle tells the reading of a document and of those it leads to from all others: a list
// of warnings may stay as it is while one of them says something else.
func bundle(d intake.Document) blob.Ref {
	h := sha256.New()
	fmt.Fprintln(h, d.Digest)
	for _, name := range slices.Sorted(maps.Keys(d.Origins)) {
		fmt.Fprintf(h, "%q %d\n", name, d.Origins[name])
	}
	return blob.Ref(h.Sum(nil))
}
