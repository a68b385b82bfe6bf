"""What people see: pages made of sections, each data and a template."""
