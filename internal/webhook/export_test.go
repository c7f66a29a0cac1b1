package webhook

// Forget drops the states that the deliverer keeps: their memory counts for the whole process.
func (d *Deliverer) Forget() { d.states.clear() }
