"""What a circuit of cells does and costs on silicon, as one page and as JSON."""
