export { createDashboard, type Dashboard, type DashboardOptions, type Mount } from './create-dashboard.tsx'
