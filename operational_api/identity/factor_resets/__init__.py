"""Lost second factors: who knows the person asks for their removal, somebody else approves it."""
