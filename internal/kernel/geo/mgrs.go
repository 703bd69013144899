package geo

import (
	"math"
	"strconv"
	"strings"
)

// The letters of the military grid: no I and no O, which look like digits.
// spec: NGA.SIG.0012, MGRS with the AA lettering of WGS84.
const (
	bandLetters = "CDEFGHJKLMNPQRSTUVWX" // 8° each from 80° south; X has 12°
	rowLetters  = "ABCDEFGHJKLMNPQRSTUV"
	rowCycle    = 2000000 // metres after which row letters repeat
)

var columnLetters = [3]string{"ABCDEFGH", "JKLMNPQR", "STUVWXYZ"}

func bandOf(lat float64) byte {
	return bandLetters[min(len(bandLetters)-1, int((lat+80)/8))]
}

// bandSouth returns the southern edge of a band in degrees, −1000 for no band.
func bandSouth(letter byte) float64 {
	i := strings.IndexByte(bandLetters, letter)
	if i < 0 {
		return -1000
	}
	return float64(i)*8 - 80
}

func inBand(lat float64, letter byte) bool {
	s := bandSouth(letter)
	h := 8.0
	if letter == 'X' {
		h = 12
	}
	return lat >= s && lat <= s+h
}

// formatMGRS writes the square of 1 m the point lies in.
func formatMGRS(p Point) string {
	zone, ok := zoneOf(p)
	if !ok {
		return ""
	}
	south := p.Lat < 0
	e, n := utmZone(zone, south).forward(p)
	col := int(e / 100000)
	if col < 1 || col > 8 {
		return ""
	}
	letters := columnLetters[(zone-1)%3]
	nn := int(math.Floor(n))
	row := nn % rowCycle / 100000
	if zone%2 == 0 {
		row += 5
	}
	return strconv.Itoa(zone) + string(bandOf(p.Lat)) + " " + string(letters[col-1]) + string(rowLetters[row%20]) +
		" " + pad5(int(e)%100000) + " " + pad5(nn%100000)
}

func pad5(n int) string {
	s := strconv.Itoa(n)
	return "00000"[:5-len(s)] + s
}

// mgrsPoint returns the middle of a square of the grid. east and north are the
// digits within the square of 100 km, in metres at its south-western corner;
// size is the side of the square meant.
func mgrsPoint(zone int, band byte, square string, east, north, size float64) (Point, bool) {
	col := strings.IndexByte(columnLetters[(zone-1)%3], square[0])
	row := strings.IndexByte(rowLetters, square[1])
	if col < 0 || row < 0 || bandSouth(band) < -80 {
		return Point{}, false
	}
	if zone%2 == 0 {
		row = (row + 15) % 20
	}
	south := band < 'N'
	grid := utmZone(zone, south)
	e := float64(col+1)*100000 + east + size/2
	n := float64(row)*100000 + north + size/2
	for ; n < 10000000; n += rowCycle {
		p := grid.inverse(e, n)
		// A square may hang over the edge of its band.
		if p.Lat >= bandSouth(band)-1 && p.Lat <= bandSouth(band)+13 {
			if inBand(p.Lat, band) || inBand(grid.inverse(e, n-size/2).Lat, band) || inBand(grid.inverse(e, n+size/2).Lat, band) {
				return p, p.Valid()
			}
		}
	}
	return Point{}, false
}
