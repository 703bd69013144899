// Package all lists the feeds of warnings that are shipped: whoever reads one more adds
// it here.
package all

import (
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/chmi"
	"trojmezi/internal/alert/feed/dwd"
	"trojmezi/internal/alert/feed/imgw"
	"trojmezi/internal/alert/feed/lhp"
	"trojmezi/internal/alert/feed/meteoalarm"
	"trojmezi/internal/alert/feed/nina"
	"trojmezi/internal/alert/feed/rso"
)

// Feeds gives them.
func Feeds() []feed.Feed {
	return []feed.Feed{chmi.Feed(), dwd.Feed(), nina.Feed(), imgw.Meteo(), imgw.Hydro(), rso.Feed(), meteoalarm.Feed(), lhp.Feed()}
}
