package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
)

// stored is a section in samples.json.
type stored struct {
	Name    string    `json:"name"`
	Made    string    `json:"made,omitempty"`
	Title   string    `json:"title"`
	Text    string    `json:"text"`
	Notes   []string  `json:"notes,omitempty"`
	Plot    string    `json:"plot,omitempty"` // the title of its picture
	Columns bool      `json:"columns,omitempty"`
	Series  []*series `json:"series"`
}

// MarshalJSON implements [json.Marshaler].
func (s *section) MarshalJSON() ([]byte, error) {
	out := stored{s.Name, s.made, s.title, s.text, s.notes, "", s.columns, s.Series}
	if s.plot != nil {
		out.Plot = s.plot.title
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements [json.Unmarshaler]. A picture is only its title.
func (s *section) UnmarshalJSON(data []byte) error {
	var in stored
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	s.Name, s.made, s.title, s.text, s.notes, s.columns, s.Series = in.Name, in.Made, in.Title, in.Text, in.Notes, in.Columns, in.Series
	if in.Plot != "" {
		s.plot = &plot{title: in.Plot}
	}
	return nil
}

// keep takes over what was not measured now from the results of an earlier run.
func (r *report) keep(samples string) error {
	for _, s := range r.Sections {
		s.made = r.Made
	}
	data, err := os.ReadFile(samples)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var old report
	if err := json.Unmarshal(data, &old); err != nil {
		return err
	}
	var all []*section
	kept := false
	for _, name := range names() {
		is := func(s *section) bool { return s.Name == name }
		if i := slices.IndexFunc(r.Sections, is); i >= 0 {
			all = append(all, r.Sections[i])
		} else if i := slices.IndexFunc(old.Sections, is); i >= 0 {
			all, kept = append(all, old.Sections[i]), true
		}
	}
	r.Sections = all
	for _, s := range old.LeftOut {
		if kept && !slices.Contains(r.LeftOut, s) {
			r.LeftOut = append(r.LeftOut, s)
		}
	}
	return nil
}
