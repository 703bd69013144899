package intake

import (
	"slices"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	feeds "trojmezi/internal/alert/feed/all"
	"trojmezi/internal/alert/gauge"
	gauges "trojmezi/internal/alert/gauge/all"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/store"
)

// Source is one feed as it is fetched: where, how often, and from when on it is stale.
type Source struct {
	Name      string
	Title     string // of its sender, in the sender's language
	Format    string // of feed.Feed, or with "-gauges" of gauge.Feed
	Gauges    bool
	Knowledge feed.Knowledge
	Kind      store.Kind
	Addresses []string // tried in this order
	Interval  time.Duration
	// Stale is how old its news may be. Dated says that its documents tell when they were
	// made, and that a new one comes also when nothing has happened: the age counts from
	// there. The others are lists of what is in force, in which nothing stands when nothing
	// is: their age counts from the last answer that was understood.
	Stale time.Duration
	Dated bool
	// Partial says that what is not in the document is not over for that.
	Partial  bool
	Hosts    []string // beside those of Addresses: where it may lead
	Stations []string // of gauges: whose documents are fetched; none: those of the region
	Detail   string   // address of a station's document, with {id}; "": there is none
	// Body and DetailBody are forms (application/x-www-form-urlencoded) with which the
	// first document and that of a station are asked for by POST; "": by GET.
	Body, DetailBody string
	// TokenFile or TokenEnv is where the token stands by which the sender knows the node;
	// it is shown in the header TokenHeader, or as the parameter TokenQuery.
	TokenFile, TokenEnv, TokenHeader, TokenQuery string
	Plain                                        bool // without TLS, on this machine
	Timeout                                      time.Duration
	MaxBytes                                     int64
	Keep                                         time.Duration // of the originals

	played   bool // by a simulator
	warnings func([]byte) (*feed.Reading, *tree.Fault)
	gauges   func([]byte) (*gauge.Reading, *tree.Fault)
}

// gaugesSuffix tells the formats of gauges from those of warnings: two services give both.
const gaugesSuffix = "-gauges"

const (
	defaultTimeout = time.Minute
	defaultBytes   = 32 << 20
	keepWarnings   = 90 * 24 * time.Hour
	keepGauges     = 14 * 24 * time.Hour // the levels stay, their documents are large
)

// nina and meteoalarm are lists by provider and by country: each is a source, since
// what is no longer in one is over whatever stands in the others.
const (
	ninaBase  = "https://warnung.bund.de/api31/"
	atomBase  = "https://feeds.meteoalarm.org/feeds/meteoalarm-legacy-atom-"
	saxonBase = "https://luis.sachsen.de/arcgis/rest/services/wasser/pegelnetz/MapServer/1/query"
	lhpBase   = "https://www.hochwasserzentralen.de/webservices/"
	dwdBase   = "https://opendata.dwd.de/weather/alerts/cap/COMMUNEUNION_DWD_STAT/"
)

// known are the sources that the program knows of, with the addresses that were found in
// the descriptions of the feeds. From when on warnings are old is feed.LimitsOf; of gauges
// it stands here, from experience with others of their kind. The operator sets his own.
func known() []Source {
	list := []Source{
		{Name: "chmi", Format: "chmi", Addresses: []string{"https://vystrahy-cr.chmi.cz/data/XOCZ50_OKPR.xml", "https://vystrahy-cr.chmi.cz/data2/XOCZ50_OKPR.xml",
			"https://www.chmi.cz/files/portal/docs/meteo/om/bulletiny/XOCZ50_OKPR.xml"}, Interval: 2 * time.Minute, Dated: true},
		{Name: "dwd", Format: "dwd", Addresses: []string{dwdBase + "Z_CAP_C_EDZW_LATEST_PVW_STATUS_PREMIUMDWD_COMMUNEUNION_DE.zip"}, Interval: 5 * time.Minute},
	}
	for _, provider := range []string{"mowas", "katwarn", "biwapp", "dwd", "lhp", "police"} {
		list = append(list, Source{Name: "nina-" + provider, Format: "nina", Addresses: []string{ninaBase + provider + "/mapData.json"}, Interval: time.Minute})
	}
	// The districts on the border, by their official number; the rest of a number of twelve
	// digits would name a municipality, of which there are no lists.
	for _, district := range []struct{ name, number string }{{"goerlitz", "14626"}, {"bautzen", "14625"}} {
		list = append(list, Source{Name: "nina-" + district.name, Format: "nina", Addresses: []string{ninaBase + "dashboard/" + district.number + "0000000.json"}, Interval: time.Minute})
	}
	list = append(list,
		Source{Name: "imgw-meteo", Format: "imgw-meteo", Addresses: []string{"https://danepubliczne.imgw.pl/api/data/warningsmeteo"}, Interval: 5 * time.Minute},
		Source{Name: "imgw-hydro", Format: "imgw-hydro", Addresses: []string{"https://danepubliczne.imgw.pl/api/data/warningshydro"}, Interval: 5 * time.Minute},
		Source{Name: "rso", Format: "rso", Addresses: []string{"https://komunikaty.tvp.pl/komunikatyxml/dolnoslaskie/wszystkie/0?_format=xml"}, Interval: 5 * time.Minute},
	)
	for _, country := range []string{"czechia", "germany", "poland"} {
		list = append(list, Source{Name: "meteoalarm-" + country, Format: "meteoalarm", Addresses: []string{atomBase + country}, Interval: 5 * time.Minute, Dated: true})
	}
	return append(list,
		Source{Name: "lhp", Format: "lhp", Addresses: []string{lhpBase + "get_lagepegel.php"}, Interval: 10 * time.Minute, Detail: lhpBase + "get_infospegel.php", DetailBody: "pgnr=" + stationMark},
		Source{Name: "chmi-gauges", Format: "chmi-gauges", Addresses: []string{"https://opendata.chmi.cz/hydrology/now/metadata/meta1.json"}, Interval: 10 * time.Minute, Stale: 90 * time.Minute, Dated: true},
		Source{Name: "imgw-gauges", Format: "imgw-gauges", Addresses: []string{"https://danepubliczne.imgw.pl/api/data/hydro"}, Interval: 10 * time.Minute, Stale: 3 * time.Hour, Dated: true},
		Source{Name: "saxony-gauges", Format: "saxony-gauges", Addresses: []string{saxonBase + "?f=json&where=1=1&outFields=*&returnGeometry=true&outSR=4326&resultRecordCount=500"}, Interval: 10 * time.Minute, Stale: 2 * time.Hour, Dated: true},
		Source{Name: "pegelonline-gauges", Format: "pegelonline-gauges", Addresses: []string{"https://www.pegelonline.wsv.de/webservices/rest-api/v2/stations.json?includeTimeseries=true&includeForecastTimeseries=true&includeCurrentMeasurement=true"}, Interval: 10 * time.Minute, Stale: 2 * time.Hour, Dated: true},
	)
}

// limits are from when on what the source says is old, by the one rule of package feed. A
// source whose documents are dated is old by them, and also when it was not understood for
// as long as its feed has it, or for three intervals; another one by Stale alone.
func (s *Source) limits() feed.Limits {
	switch {
	case !s.Dated:
		return feed.Limits{Fetched: s.Stale}
	case s.Gauges: // the newest level tells how long nothing came
		return feed.Limits{Issued: s.Stale}
	}
	return feed.Limits{Issued: s.Stale, Fetched: max(feed.LimitsOf(s.Format).Fetched, 3*s.Interval)}
}

// Limits tells from when on a source of a name is old, for who keeps what it said; zero of
// one that is not configured.
func (c *Config) Limits() func(source string) feed.Limits {
	all := map[string]feed.Limits{}
	for _, s := range c.All() {
		if !s.Gauges {
			all[s.Name] = s.limits()
		}
	}
	return func(source string) feed.Limits { return all[source] }
}

// formats are the names of those that can be read.
func formats() (names []string) {
	for _, f := range feeds.Feeds() {
		names = append(names, f.Name)
	}
	for _, g := range gauges.Feeds() {
		names = append(names, g.Name+gaugesSuffix)
	}
	return names
}

// complete adds what follows from the format, and what is usual.
func (s *Source) complete() {
	if name, ok := strings.CutSuffix(s.Format, gaugesSuffix); ok {
		list := gauges.Feeds()
		g := list[slices.IndexFunc(list, func(g gauge.Feed) bool { return g.Name == name })]
		s.Gauges, s.Title, s.Knowledge, s.gauges = true, g.Title, g.Knowledge, g.Parse
	} else {
		list := feeds.Feeds()
		f := list[slices.IndexFunc(list, func(f feed.Feed) bool { return f.Name == s.Format })]
		s.Title, s.Knowledge, s.warnings = f.Title, f.Knowledge, f.Parse
		if s.Stale == 0 && slices.ContainsFunc(known(), func(k Source) bool { return k.Name == s.Name }) {
			s.Stale = feed.LimitsOf(s.Format).Age()
		}
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&s.Timeout, defaultTimeout}, {&s.Interval, 5 * time.Minute}, {&s.Stale, 6 * max(s.Interval, 5*time.Minute)}, {&s.Keep, keepWarnings}} {
		if *d.value == 0 {
			*d.value = d.usual
			if d.value == &s.Keep && s.Gauges {
				*d.value = keepGauges
			}
		}
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = defaultBytes
	}
	if s.TokenHeader == "" {
		s.TokenHeader = authorization
	}
	if s.Kind == "" {
		s.Kind = store.Live
	}
}
