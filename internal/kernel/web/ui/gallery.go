package ui

import (
	"context"
	"math"
	"net/http"
	"time"

	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// GalleryPath is where the gallery stands.
const GalleryPath = "/dev/ui"

// Gallery registers the page with every part in every state, for screenshots
// and for whoever builds pages. Its content is invented; it is registered only
// where the configuration says so. ?theme=light|dark, ?density=… and
// ?kind=exercise|test choose its look, ?strip=telephone|line|none its strip.
func Gallery(rt *web.Router) {
	rt.Page("GET "+GalleryPath, web.Public(), func(w http.ResponseWriter, r *http.Request) error {
		q, ctx := r.URL.Query(), r.Context()
		s := web.Shell{Title: web.T(ctx, "ui.gallery.title", nil), Theme: q.Get("theme"), Density: q.Get("density"), Stream: q.Get("stream")}
		switch q.Get("kind") {
		case "exercise":
			s.Kind = store.Exercise
		case "test":
			s.Kind = store.Test
		}
		switch q.Get("strip") {
		case "none":
		case "line":
			s.Strip = galleryLine()
		default:
			s.Strip, s.Alarms = galleryStrip(), 2
		}
		return web.Render(w, r, http.StatusOK, gallery(s))
	})
}

// ago is a moment before the page was asked for.
func ago(ctx context.Context, d time.Duration) time.Time { return web.Now(ctx).Add(-d) }

// sample is a text of the gallery.
func sample(ctx context.Context, key string) string { return web.T(ctx, "ui.gallery."+key, nil) }

func galleryErrors(ctx context.Context) Errors {
	var e Errors
	e.Add("place-wrong", sample(ctx, "place.error"))
	e.Add("injured-wrong", sample(ctx, "injured.error"))
	return e
}

func galleryGauge(ctx context.Context) Chart {
	levels := []float64{231, 236, 248, 270, math.NaN(), 312, 345, 405, math.NaN(), math.NaN(), math.NaN()}
	ahead := []float64{math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), 405, 443, 470, 482}
	measured, forecast := Series{Name: sample(ctx, "measured")}, Series{Name: sample(ctx, "forecast"), Forecast: true}
	for i := range levels {
		label := web.Time(ctx, ago(ctx, time.Duration(7-i)*time.Hour))[:len("14:06")]
		measured.Points = append(measured.Points, Point{label, levels[i]})
		forecast.Points = append(forecast.Points, Point{label, ahead[i]})
	}
	return Chart{
		ID: "gauge", Title: sample(ctx, "gauge"), Axis: sample(ctx, "time"), Series: []Series{measured, forecast},
		Thresholds: []Threshold{{"Alarmstufe 1", 270}, {"Alarmstufe 3", 400}},
		Format:     func(v float64) string { return web.Number(ctx, int64(v)) + "\u00a0cm" },
		Source:     sample(ctx, "source"),
	}
}

func galleryBars(ctx context.Context) Chart {
	row := Series{Name: sample(ctx, "alarms.series")}
	for i, v := range []float64{12, 9, 17, 21, 11, 8, 30, 42} {
		row.Points = append(row.Points, Point{web.Number(ctx, int64(i+1)), v})
	}
	return Chart{
		ID: "alarms-chart", Title: sample(ctx, "alarms"), Axis: sample(ctx, "alarms.axis"), Bars: true, Series: []Series{row}, Open: true,
		Format: func(v float64) string { return web.Number(ctx, int64(v)) },
	}
}
