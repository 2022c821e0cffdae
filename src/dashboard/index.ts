export { createDashboard, type Dashboard, type DashboardOptions, type Mount } from './create-dashboard.tsx'
export { createTimeline, type Timeline, type TimelineSource } from './create-timeline.tsx'
export type { EmbeddedObject, TimelineOptions } from './embedded-timeline.tsx'
