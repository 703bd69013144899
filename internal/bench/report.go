package bench

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"trojmezi/internal/kernel/i18n"
)

// Printer writes results for people. Programs read the JSON form of Result and
// Table.
type Printer struct {
	W     io.Writer
	Texts *i18n.Bundle
	Lang  i18n.Lang
}

func (p Printer) text(key string, args i18n.Args) string { return p.Texts.Text(p.Lang, key, args) }

const noBreak = "\u00a0" // between a number and its unit

// decimal writes a number in the way of the language; unit symbols are
// international (spec: ISO 80000-1).
func (p Printer) decimal(v float64, digits int) string {
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if p.Lang != i18n.En {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

func (p Printer) ms(v float64) string      { return p.decimal(v, 1) + noBreak + "ms" }
func (p Printer) rate(v float64) string    { return p.count(int64(math.Round(v))) + "/s" }
func (p Printer) percent(v float64) string { return p.decimal(100*v, 1) + noBreak + "%" }

func (p Printer) ratio(v float64) string {
	if v == 0 {
		return "–"
	}
	return p.decimal(v, 2) + "×"
}

func (p Printer) count(n int64) string { return p.Texts.Number(p.Lang, n) }

// Progress writes one line.
func (p Printer) Progress(s Progress) {
	fmt.Fprintln(p.W, p.text("bench.progress", i18n.Args{"elapsed": s.Elapsed, "accepted": s.Accepted, "received": s.Received, "receipts": s.Receipts}))
}

// Baseline writes the machine's own figures.
func (p Printer) Baseline(b Baseline) {
	if b.Syncs > 0 {
		fmt.Fprintln(p.W, p.text("bench.baseline.syncs", i18n.Args{"value": int64(math.Round(b.Syncs))}))
	}
	fmt.Fprintln(p.W, p.text("bench.baseline.echo", i18n.Args{"value": int64(math.Round(b.Echo))}))
}

// Result writes one run, a figure a line.
func (p Printer) Result(r *Result) {
	var rows [][]string
	row := func(key, value string) { rows = append(rows, []string{p.text(key, nil), value}) }
	row("bench.result.accepted", p.count(r.Accepted))
	row("bench.result.received", p.count(r.Received))
	row("bench.result.lost", p.count(r.Lost))
	row("bench.result.duplicates", p.count(r.Duplicates))
	row("bench.result.sequence", p.count(r.SequenceErrors))
	if r.Foreign > 0 {
		row("bench.result.foreign", p.count(r.Foreign))
	}
	for _, what := range slices.Sorted(maps.Keys(r.Refused)) {
		rows = append(rows, []string{p.text("bench.result.refused", i18n.Args{"what": what}), p.count(r.Refused[what])})
	}
	for _, code := range slices.Sorted(maps.Keys(r.Receipts)) {
		rows = append(rows, []string{p.text("bench.result.receipts", i18n.Args{"code": code}), p.count(r.Receipts[code])})
	}
	if r.MissingReceipts > 0 {
		row("bench.result.missing", p.count(r.MissingReceipts))
	}
	if r.DoubleReceipts > 0 {
		row("bench.result.double", p.count(r.DoubleReceipts))
	}
	row("bench.result.sent_rate", p.rate(r.SentPerSecond))
	row("bench.result.rate", p.rate(r.PerSecond))
	if r.ReceiptsPerSecond > 0 {
		row("bench.result.receipt_rate", p.rate(r.ReceiptsPerSecond))
	}
	row("bench.result.p50", p.ms(r.P50))
	row("bench.result.p95", p.ms(r.P95))
	row("bench.result.p99", p.ms(r.P99))
	row("bench.result.max", p.ms(r.Max))
	p.table(rows)
}

// Table writes the speed table.
func (p Printer) Table(t *Table) {
	p.Baseline(t.Baseline)
	head := []string{}
	for _, key := range []string{"bench.table.case", "bench.table.measure", "bench.table.target", "bench.table.value", "bench.table.missed",
		"bench.table.memory", "bench.table.per_sync", "bench.table.per_echo", "bench.table.reference", "bench.table.clean"} {
		head = append(head, p.text(key, nil))
	}
	rows := [][]string{head}
	for _, r := range t.Rows {
		unit := p.ms
		if r.Measure == PerSecond {
			unit = p.rate
		}
		missed, memory, reference, clean := "–", "–", "–", p.text("bench.table.yes", nil)
		if r.Missed > 0 {
			missed = p.percent(r.Missed)
		}
		if r.Memory > 0 {
			memory = unit(r.Memory)
		}
		if r.Reference != "" {
			reference = r.Reference
		}
		if !r.Clean {
			clean = p.text("bench.table.no", nil)
		}
		rows = append(rows, []string{p.text("bench.case."+r.Case, nil), p.text("bench.measure."+string(r.Measure), nil), unit(r.Target), unit(r.Value),
			missed, memory, p.ratio(r.PerSync), p.ratio(r.PerEcho), reference, clean})
	}
	p.table(rows)
}

// table aligns columns. Package tabwriter counts characters, which is right for
// the letters of the four languages.
func (p Printer) table(rows [][]string) {
	w := tabwriter.NewWriter(p.W, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for i, cell := range r {
			if i > 0 {
				w.Write([]byte{'\t'})
			}
			w.Write([]byte(cell))
		}
		w.Write([]byte{'\n'})
	}
	w.Flush()
}
