"""What people see: pages made of sections, and the charts in them."""
