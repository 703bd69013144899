package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/store"
)

// Leaf is what people read of an event.
type Leaf struct {
	ID     int64
	At     time.Time
	Action string
	Actor  string
	Object string
	Times  int64 // how often it happened
}

// Place is the leaf's place in a list: what comes after it is older.
func (l Leaf) Place() Place { return Place{l.At.UnixMilli(), l.ID} }

// Place is where a list goes on; the zero Place is its beginning.
type Place struct{ At, ID int64 }

// Filter chooses the leaves of a list. Empty fields choose all.
type Filter struct {
	From, To time.Time // from From on, before To
	Person   string    // who acted, or was acted on
	Actions  []string  // how the action begins: with one of them
	Objects  []string  // one of them
	// Messages lists the two steps that every message takes, instead of everything
	// else. There are many of them, and an object is searched among all in the time.
	Messages bool
}

// apart are the conditions under which the indexes for reading are used.
const apart = `action <> 'exchange.accept' AND action <> 'exchange.commit'`

// List reads up to limit leaves after a place, the newest first.
func List(tx *store.Tx, f Filter, after Place, limit int) ([]Leaf, error) {
	if f.Person == "" {
		return f.list(tx, "", after, limit)
	}
	// Two short walks along two indexes, where an OR would read everything.
	did, err := f.list(tx, "actor", after, limit)
	if err != nil {
		return nil, err
	}
	had, err := f.list(tx, "object", after, limit)
	if err != nil {
		return nil, err
	}
	all := append(did, had...)
	slices.SortFunc(all, func(a, b Leaf) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	all = slices.CompactFunc(all, func(a, b Leaf) bool { return a.ID == b.ID })
	return all[:min(limit, len(all))], nil
}

// list is List for the person in one column.
func (f Filter) list(tx *store.Tx, column string, after Place, limit int) ([]Leaf, error) {
	var where []string
	var args []any
	add := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprint("$", len(args)), 1)
		}
		where = append(where, condition)
	}
	order := `at DESC, id DESC`
	switch {
	case f.Messages:
		// Without an index of their times: numbers follow time but for a clock that
		// was set.
		order = `id DESC`
		where = append(where, `NOT (`+apart+`)`)
		if after != (Place{}) {
			add(`id < ?`, after.ID)
		}
		if !f.From.IsZero() {
			first, err := firstSince(tx, f.From)
			if err != nil {
				return nil, err
			}
			add(`id >= ?`, first)
		}
		if !f.To.IsZero() {
			first, err := firstSince(tx, f.To)
			if err != nil {
				return nil, err
			}
			add(`id < ?`, first)
		}
	default:
		where = append(where, apart)
		if after != (Place{}) {
			add(`(at, id) < (?, ?)`, after.At, after.ID)
		}
		if !f.From.IsZero() {
			add(`at >= ?`, f.From.UnixMilli())
		}
		if !f.To.IsZero() {
			add(`at < ?`, f.To.UnixMilli())
		}
	}
	if column != "" {
		add(column+` = ?`, f.Person)
	}
	if n := len(f.Actions); n > 0 {
		add(`(`+strings.Repeat(` OR action LIKE ?`, n)[4:]+`)`, anys(f.Actions, "%")...)
	}
	if n := len(f.Objects); n > 0 {
		add(`object IN (`+strings.Repeat(", ?", n)[2:]+`)`, anys(f.Objects, "")...)
	}
	args = append(args, limit)
	rows, err := tx.Query(`SELECT id, at, action, actor, object, hash FROM audit_leaf WHERE `+strings.Join(where, ` AND `)+
		` ORDER BY `+order+` LIMIT `+fmt.Sprint("$", len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("audit: list: %w", err)
	}
	defer rows.Close()
	var all []Leaf
	for rows.Next() {
		var l Leaf
		var at int64
		var hash []byte
		if err := rows.Scan(&l.ID, &at, &l.Action, &l.Actor, &l.Object, &hash); err != nil {
			return nil, fmt.Errorf("audit: list: %w", err)
		}
		l.At, l.Times = time.UnixMilli(at).UTC(), times(hash)
		all = append(all, l)
	}
	return all, rows.Err()
}

// anys are texts as arguments of a query, with an ending.
func anys(texts []string, ending string) (all []any) {
	for _, t := range texts {
		all = append(all, t+ending)
	}
	return all
}

// firstSince is the number of the first leaf at or after t, by halving.
func firstSince(tx *store.Tx, t time.Time) (int64, error) {
	last, err := Leaves(tx)
	low, high := int64(1), last+1
	for err == nil && low < high {
		mid := low + (high-low)/2
		var at int64
		if err = tx.Row(`SELECT at FROM audit_leaf WHERE id = $1`, mid).Scan(&at); err == nil && at < t.UnixMilli() {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if err != nil {
		return 0, fmt.Errorf("audit: first leaf since: %w", err)
	}
	return low, nil
}

// Leaves is the number of the newest leaf, which is how many there are.
func Leaves(tx *store.Tx) (n int64, err error) {
	err = tx.Row(`SELECT COALESCE(MAX(id), 0) FROM audit_leaf`).Scan(&n)
	return n, err
}

// Newest is the newest signed head; ok is false on an empty log.
func (l *Log) Newest(tx *store.Tx) (h Head, ok bool, err error) {
	last, err := lastHead(tx)
	if err != nil || last.serial == 0 {
		return Head{}, false, err
	}
	h, err = OpenHead(last.note, l.key)
	return h, err == nil, err
}
