package main

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// plot draws lines over a plane. Both scales are logarithmic, so values must be above 0.
type plot struct {
	title string
	x, y  string // labels of the axes, with units
	lines []line
}

type line struct {
	name   string       // the system's
	points [][2]float64 // x and y, by ascending x
}

const (
	plotWidth  = 760
	labelWidth = 240 // where the systems' names are
	margin     = 16
	lineHeight = 18
	plotTop    = 44
	axisHeight = 44
	planeSize  = 320 // height of the plane of lines
)

// style draws on white and on dark backgrounds, as the reader prefers.
const style = `text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-size:14px;font-weight:600}` +
	`.grid{stroke:#8b949e;stroke-opacity:.3}.ours{stroke:#0969da;fill:#0969da}.limit{stroke:#bc4c00;fill:#bc4c00}.peer{stroke:#8b949e;fill:#8b949e}` +
	`path{fill:none!important;stroke-width:2}circle{stroke:none!important}.http{stroke-dasharray:5 3}text.ours,text.limit,text.peer{stroke:none}text.peer{fill:#57606a}` +
	`@media(prefers-color-scheme:dark){text,text.peer{fill:#9ea7b3}.ours{stroke:#58a6ff;fill:#58a6ff}.limit{stroke:#f0883e;fill:#f0883e}}`

func (l line) class() string {
	kind := "peer"
	switch {
	case strings.HasPrefix(l.name, "a2alambda"):
		kind = "ours"
	case l.name == limitName:
		kind = "limit"
	}
	if strings.HasSuffix(l.name, byHTTP) {
		kind += " http"
	}
	return kind
}

// axis maps the logarithm of values to pixels.
type axis struct{ low, high, from, to float64 }

// newAxis returns an axis that ends a little beyond the values.
func newAxis(values []float64, from, to float64) axis {
	return axis{math.Log10(slices.Min(values)) - 0.1, math.Log10(slices.Max(values)) + 0.1, from, to}
}

func (a axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.high-a.low)*(a.to-a.from)
}

func (a axis) ticks() (ticks []float64) {
	for e := math.Ceil(a.low); e <= a.high; e++ {
		ticks = append(ticks, math.Pow(10, e))
	}
	return ticks
}

func (p *plot) svg() []byte {
	var b bytes.Buffer
	const height = plotTop + axisHeight + planeSize
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s"><style>%s</style>`+"\n",
		plotWidth, height, html.EscapeString(p.title), style)
	text(&b, margin, 24, "title", "start", p.title)
	var xs, ys []float64
	for _, l := range p.lines {
		for _, point := range l.points {
			xs, ys = append(xs, point[0]), append(ys, point[1])
		}
	}
	const bottom = height - axisHeight
	x, y := newAxis(xs, margin+40, plotWidth-labelWidth), newAxis(ys, bottom, plotTop)
	for _, v := range x.ticks() {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %dV%d"/>`+"\n", x.at(v), plotTop, bottom)
		text(&b, x.at(v), bottom+16, "", "middle", figure(v))
	}
	text(&b, (x.from+x.to)/2, bottom+34, "", "middle", p.x)
	for _, v := range y.ticks() {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %.1fH%.1f"/>`+"\n", x.from, y.at(v), x.to)
		text(&b, x.from-6, y.at(v)+4, "", "end", figure(v))
	}
	text(&b, margin, plotTop-6, "", "start", p.y)

	// The names are at the ends of the lines, and move down where they would cover each other.
	ends := slices.Clone(p.lines)
	last := func(l line) [2]float64 { return l.points[len(l.points)-1] }
	slices.SortStableFunc(ends, func(l, m line) int { return cmp.Compare(last(m)[1], last(l)[1]) })
	free := 0.0
	for _, l := range ends {
		path := ""
		for i, point := range l.points {
			path += fmt.Sprintf("%c%.1f %.1f", "ML"[min(i, 1)], x.at(point[0]), y.at(point[1]))
		}
		fmt.Fprintf(&b, `<path class="%s" d="%s"/>`+"\n", l.class(), path)
		end := last(l)
		fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3"/>`+"\n", l.class(), x.at(end[0]), y.at(end[1]))
		at := max(y.at(end[1])+4, free)
		free = at + lineHeight - 4
		text(&b, x.at(end[0])+8, at, l.class(), "start", l.name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func text(b *bytes.Buffer, x, y float64, class, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
}
