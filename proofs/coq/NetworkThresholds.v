(* Thresholds for networks: how small e may be, in terms of the outputs along the teacher's path.

   The thresholds for e speak of paths of outputs.  Here they are read on a network f with parameters in R^k:
   the path at input x is e -> f_x(th0 + e u), its derivative at 0 is c x = J_x u, and the alignment along the
   paths is the inner product <v(e), u> of the student's step with the teacher's direction.  Hence
   <v(e), u> > 0 for every 0 < e <= E as soon as E < 2 q / D, where q = <K u, u> and D is built from bounds of
   the first and second derivatives of the outputs on [0,E], for squared error and for cross-entropy.  The
   outputs are asked to be differentiable at th0 and twice derivable along this one path. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep Popoviciu Thresholds.
Open Scope R_scope.

Section Network.
Variables (k n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec).
Variables (w : nat -> R) (f : nat -> vec -> vec) (th0 u : vec).
Hypothesis HL : compatible n L a H.
Hypothesis Hf : forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0.
Let g := fun x e => f x (teacher th0 u e).

Lemma path_start x i : (x < m)%nat -> (i < n)%nat -> g x 0 i = f x th0 i.
Proof.
  intros Hx Hi. destruct (Hf x i Hx Hi) as [G HG].
  apply (has_grad_agree k (fun th => f x th i) th0 G HG). intros j _. unfold teacher. ring.
Qed.

Lemma path_derivative x i : (x < m)%nat -> (i < n)%nat -> is_derive (fun e => g x e i) 0 (push k f th0 x u i).
Proof.
  intros Hx Hi. apply (has_grad_line k (fun th => f x th i) th0 u 0 (jac f th0 x i)).
  apply has_grad_point with th0; [apply grad_has, Hf; assumption|]. intros j _. unfold seg. ring.
Qed.

(* The alignment of the student's step is the alignment along the output paths of the teacher. *)
Theorem alignment_is_align (c : nat -> vec) e :
  (forall x i, (x < m)%nat -> (i < n)%nat -> c x i = push k f th0 x u i) ->
  dot k (student_step m L w f th0 u e) u = align n m a w g c e.
Proof.
  intros Hc. rewrite (alignment k n m L a H w f th0 HL Hf). unfold align.
  apply rsum_ext. intros x Hx. f_equal. apply rsum_ext. intros i Hi. rewrite Hc by assumption.
  f_equal. f_equal. symmetry.
  apply (has_grad_agree n (fun z => a z i) (f x th0) (H (f x th0) i)).
  - apply (comp_link n L a H HL), Hi.
  - intros j Hj. apply path_start; assumption.
Qed.
End Network.

(* The threshold of a network for squared error: let g be its outputs along the teacher's path, with
   derivatives g1, g2 on [0,E]. The student's step goes along u for every e up to 2 q / D. *)
Theorem threshold_mse_network k n m w f th0 u g1 g2 M E :
  (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  twice_derivable n m E (fun x e => f x (teacher th0 u e)) g1 g2 ->
  (forall x t, (x < m)%nat -> 0 <= t <= E -> nrm n (g2 x t) <= M x) ->
  let c x := push k f th0 x u in
  let q := rsum m (fun x => w x * (nrm n (c x)) ^ 2) in
  let D := rsum m (fun x => w x * (M x * nrm n (c x))) in
  0 < q -> (0 < D -> E < 2 * q / D) ->
  forall e, 0 < e <= E -> 0 < dot k (student_step m (mse n) w f th0 u e) u.
Proof.
  intros Hw Hf Hg HM c q D Hq HD e He.
  assert (Hc : forall x i, (x < m)%nat -> (i < n)%nat -> g1 x 0 i = push k f th0 x u i).
  { intros x i Hx Hi. destruct (Hg x i 0 Hx Hi) as [D1 _]; [lra|].
    rewrite <- (is_derive_unique _ _ _ D1). apply is_derive_unique.
    exact (path_derivative k n m f th0 u Hf x i Hx Hi). }
  assert (HN : forall x, (x < m)%nat -> nrm n (g1 x 0) = nrm n (c x))
    by (intros x Hx; apply nrm_ext; intros i Hi; apply Hc; assumption).
  rewrite (alignment_is_align k n m (mse n) mse_link mse_hess w f th0 u (mse_compatible n) Hf
    (fun x => g1 x 0) e Hc).
  apply (threshold_mse n m w _ g1 g2 M E Hw Hg HM); [| |exact He].
  - rewrite (rsum_ext m _ (fun x => w x * (nrm n (c x)) ^ 2)); [exact Hq|].
    intros x Hx. rewrite HN by exact Hx. reflexivity.
  - rewrite (rsum_ext m (fun x => w x * (M x * nrm n (g1 x 0))) (fun x => w x * (M x * nrm n (c x))))
      by (intros x Hx; rewrite HN by exact Hx; reflexivity).
    rewrite (rsum_ext m (fun x => w x * (nrm n (g1 x 0)) ^ 2) (fun x => w x * (nrm n (c x)) ^ 2))
      by (intros x Hx; rewrite HN by exact Hx; reflexivity).
    exact HD.
Qed.

(* The threshold of a network for cross-entropy: the step goes along u for every e up to 2 q / D, where rc,
   r1, r2 bound the ranges (max - min over the outputs) of J_x u, g1 and g2. *)
Theorem threshold_ce_network k n m w f th0 u g1 g2 rc r1 r2 E : (0 < n)%nat ->
  (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  twice_derivable n m E (fun x e => f x (teacher th0 u e)) g1 g2 ->
  let c x := push k f th0 x u in
  (forall x, (x < m)%nat -> range_le n (c x) (rc x)) ->
  (forall x t, (x < m)%nat -> 0 <= t <= E -> range_le n (g1 x t) (r1 x) /\ range_le n (g2 x t) (r2 x)) ->
  let q := rsum m (fun x => w x * variance n (softmax n (f x th0)) (c x)) in
  let D := rsum m (fun x => w x * (rc x * (r2 x + r1 x ^ 2) / 4)) in
  0 < q -> (0 < D -> E < 2 * q / D) ->
  forall e, 0 < e <= E -> 0 < dot k (student_step m (cross_entropy n) w f th0 u e) u.
Proof.
  intros Hn Hw Hf Hg c Hrc Hr q D Hq HD e He.
  assert (Hc : forall x i, (x < m)%nat -> (i < n)%nat -> g1 x 0 i = push k f th0 x u i).
  { intros x i Hx Hi. destruct (Hg x i 0 Hx Hi) as [D1 _]; [lra|].
    rewrite <- (is_derive_unique _ _ _ D1). apply is_derive_unique.
    exact (path_derivative k n m f th0 u Hf x i Hx Hi). }
  assert (Hq' : q = rsum m (fun x => w x * variance n (softmax n (f x (teacher th0 u 0))) (g1 x 0))).
  { apply rsum_ext. intros x Hx. f_equal. apply variance_ext.
    - apply softmax_ext. intros i Hi. symmetry. exact (path_start k n m f th0 u Hf x i Hx Hi).
    - intros i Hi. symmetry. apply Hc; assumption. }
  rewrite (alignment_is_align k n m _ _ _ w f th0 u (ce_compatible n Hn) Hf (fun x => g1 x 0) e Hc).
  apply (threshold_ce n m w _ g1 g2 rc r1 r2 E Hn Hw Hg);
    [| exact Hr | | rewrite <- Hq'; exact HD | exact He].
  - intros x Hx i j Hi Hj. rewrite !Hc by assumption. apply Hrc; assumption.
  - rewrite <- Hq'. exact Hq.
Qed.
