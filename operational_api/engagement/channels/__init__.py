"""Ways out of Plyo to a person: e-mail today; SMS, WhatsApp and push take their places beside it."""
