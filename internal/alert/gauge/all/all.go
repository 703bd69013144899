// Package all lists the services of gauges that are shipped: whoever reads one more adds
// it here.
package all

import (
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/alert/gauge/chmi"
	"trojmezi/internal/alert/gauge/imgw"
	"trojmezi/internal/alert/gauge/pegelonline"
	"trojmezi/internal/alert/gauge/saxony"
)

// Feeds gives them.
func Feeds() []gauge.Feed {
	return []gauge.Feed{chmi.Feed(), imgw.Feed(), saxony.Feed(), pegelonline.Feed()}
}
