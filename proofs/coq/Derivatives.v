(* Gradients on R^k and right derivatives: the rules of calculus in the form in which they are used.

   - has_grad k F x0 G   F : R^k -> R is Frechet differentiable at x0 with gradient G.  Sums, multiples,
                         products, quotients and compositions are all instances of the chain rule for
                         first-order approximations.  The gradient is unique, and it is the vector of
                         partial derivatives,  grad F x0;  conversely the partial derivatives alone are
                         defined for every F, but they are a gradient only if F is differentiable at x0.
   - gstep F th          is  - grad F th,  the direction of one step of gradient descent on F.
   - seg x0 h t          is the point  x0 + t h  of a line; along it F has the derivative  <G, h>.
   - rderiv h c d        h t = c + d t + o(t) as t -> 0+:  the right derivative at 0 is d, and c the limit
                         there.  The sign of d decides the sign of h t - c for all small t > 0.

   As vectors are functions on all indices, only the coordinates below k are determined: two gradients of
   one function agree there, and a function differentiable at x0 in R^k takes one value on all points
   whose coordinates below k are those of x0. *)

From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors.
From Subtheory Require Export Approximation.
Open Scope R_scope.

(* right derivative at 0: h t = c + d t + o(t) as t -> 0+ *)
Definition rderiv (h : R -> R) (c d : R) : Prop := appr (at_right 0) (fun t => t) h c (fun t => d * t).

Definition seg (x0 h : vec) (t : R) : vec := fun j => x0 j + t * h j.
Definition grad (F : vec -> R) (x0 : vec) : vec := fun j => Derive (fun t => F (seg x0 (delta j) t)) 0.
Definition gstep (F : vec -> R) (th : vec) : vec := fun j => - grad F th j.

(* --- gradients --- *)

Lemma has_grad_ext k F F' x0 G : has_grad k F x0 G -> (forall y, F y = F' y) -> has_grad k F' x0 G.
Proof.
  intros H E e He. destruct (H e He) as [d [Hd Hb]]. exists d. split; [exact Hd|].
  intros y Hy. rewrite <- !E. apply Hb, Hy.
Qed.

Lemma has_grad_ext_grad k F x0 G G' :
  has_grad k F x0 G -> (forall j, (j < k)%nat -> G j = G' j) -> has_grad k F x0 G'.
Proof.
  intros H E e He. destruct (H e He) as [d [Hd Hb]]. exists d. split; [exact Hd|].
  intros y Hy. rewrite <- (dot_ext k G (vsub y x0) G' (vsub y x0)); [apply Hb, Hy | exact E | trivial].
Qed.

(* a function that is affine in the first k coordinates *)
Lemma has_grad_exact k F x0 G : (forall y, F y = F x0 + dot k G (vsub y x0)) -> has_grad k F x0 G.
Proof.
  intros H. apply has_grad_appr, appr_exact; [apply nbhd_filter | apply nbhd_scale|].
  apply filter_forall, H.
Qed.

(* the linear part of a differentiable function is of the order of the distance *)
Lemma grad_bigO k x0 G : bigO (nbhd k x0) (fun y => nrm k (vsub y x0)) (fun y => dot k G (vsub y x0)).
Proof.
  exists (nrm k G). split; [apply nrm_nonneg|]. apply filter_forall. intros y. apply cauchy_schwarz.
Qed.

Lemma has_grad_const k c x0 : has_grad k (fun _ => c) x0 (fun _ => 0).
Proof.
  apply has_grad_exact. intros y. unfold dot. rewrite rsum_zero_ext; [ring|]. intros i Hi. ring.
Qed.

Lemma has_grad_coord k j x0 : (j < k)%nat -> has_grad k (fun y => y j) x0 (delta j).
Proof.
  intros Hj. apply has_grad_exact. intros y. rewrite dot_sym, dot_delta by exact Hj.
  unfold vsub. ring.
Qed.

Lemma has_grad_plus k F F' x0 G G' : has_grad k F x0 G -> has_grad k F' x0 G' ->
  has_grad k (fun y => F y + F' y) x0 (fun j => G j + G' j).
Proof.
  intros H H'. apply has_grad_appr.
  apply appr_ext_lin with (fun y => dot k G (vsub y x0) + dot k G' (vsub y x0)); [apply nbhd_filter | |].
  - apply appr_plus; [apply nbhd_filter | exact H | exact H'].
  - intros y. symmetry. apply dot_plus_l.
Qed.

Lemma has_grad_scal k a F x0 G : has_grad k F x0 G -> has_grad k (fun y => a * F y) x0 (fun j => a * G j).
Proof.
  intros H. apply has_grad_appr.
  apply appr_ext_lin with (fun y => a * dot k G (vsub y x0)); [apply nbhd_filter | |].
  - apply appr_scal; [apply nbhd_filter | apply nbhd_scale | exact H].
  - intros y. symmetry. apply dot_scal_l.
Qed.

Lemma has_grad_opp k F x0 G : has_grad k F x0 G -> has_grad k (fun y => - F y) x0 (fun j => - G j).
Proof.
  intros H. apply has_grad_ext_grad with (fun j => -1 * G j).
  - apply has_grad_ext with (fun y => -1 * F y); [apply has_grad_scal, H|]. intros y. ring.
  - intros j Hj. ring.
Qed.

Lemma has_grad_minus k F F' x0 G G' : has_grad k F x0 G -> has_grad k F' x0 G' ->
  has_grad k (fun y => F y - F' y) x0 (fun j => G j - G' j).
Proof. intros H H'. apply (has_grad_plus k F (fun y => - F' y)); [exact H | apply has_grad_opp, H']. Qed.

Lemma has_grad_sum k n (F : nat -> vec -> R) x0 (G : nat -> vec) :
  (forall i, (i < n)%nat -> has_grad k (F i) x0 (G i)) ->
  has_grad k (fun y => rsum n (fun i => F i y)) x0 (fun j => rsum n (fun i => G i j)).
Proof.
  induction n as [|n IH]; simpl; intros H.
  - apply has_grad_const.
  - apply (has_grad_plus k (fun y => rsum n (fun i => F i y)) (F n) x0 (fun j => rsum n (fun i => G i j))).
    + apply IH. intros i Hi. apply H. lia.
    + apply H. lia.
Qed.

Lemma has_grad_comp k n (Phi : vec -> R) (f : nat -> vec -> R) x0 P (G : nat -> vec) :
  has_grad n Phi (fun i => f i x0) P ->
  (forall i, (i < n)%nat -> has_grad k (f i) x0 (G i)) ->
  has_grad k (fun y => Phi (fun i => f i y)) x0 (fun j => rsum n (fun i => P i * G i j)).
Proof.
  intros HPhi H. apply has_grad_appr.
  apply appr_ext_lin with (fun y => rsum n (fun i => P i * dot k (G i) (vsub y x0))); [apply nbhd_filter | |].
  - apply (appr_comp (nbhd k x0) _ n Phi (fun i => f i x0) P f (fun i y => dot k (G i) (vsub y x0))).
    + apply nbhd_scale.
    + exact HPhi.
    + exact H.
    + intros i Hi. apply grad_bigO.
  - intros y. symmetry. rewrite (dot_sum_l k n (fun i j => P i * G i j)).
    apply rsum_ext. intros i Hi. apply dot_scal_l.
Qed.

Lemma has_grad_comp1 k (phi : R -> R) p F x0 G :
  is_derive phi (F x0) p -> has_grad k F x0 G -> has_grad k (fun y => phi (F y)) x0 (fun j => p * G j).
Proof.
  intros Hphi H. apply has_grad_appr.
  apply appr_ext_lin with (fun y => p * dot k G (vsub y x0)); [apply nbhd_filter | |].
  - apply appr_comp1; [apply nbhd_filter | apply nbhd_scale | exact Hphi | exact H | apply grad_bigO].
  - intros y. symmetry. apply dot_scal_l.
Qed.

(* the product of the two coordinates of R^2; with the chain rule, the product rule *)
Lemma has_grad_prod2 z :
  has_grad 2 (fun y => y 0%nat * y 1%nat) z (fun i => match i with O => z 1%nat | _ => z 0%nat end).
Proof.
  intros e He. exists e. split; [exact He|]. intros y Hy. set (h := vsub y z) in *.
  replace (y 0%nat * y 1%nat - z 0%nat * z 1%nat - _) with (h 0%nat * h 1%nat)
    by (unfold h, dot, vsub; simpl; ring).
  assert (H0 : Rabs (h 0%nat) <= nrm 2 h) by (apply coord_le_nrm; lia).
  assert (H1 : Rabs (h 1%nat) <= nrm 2 h) by (apply coord_le_nrm; lia).
  rewrite Rabs_mult. apply Rmult_le_compat; [apply Rabs_pos | apply Rabs_pos | lra | exact H1].
Qed.

Lemma has_grad_mult k F F' x0 G G' : has_grad k F x0 G -> has_grad k F' x0 G' ->
  has_grad k (fun y => F y * F' y) x0 (fun j => G j * F' x0 + F x0 * G' j).
Proof.
  intros H H'.
  pose (f := fun i => match i with O => F | _ => F' end).
  pose (Gf := fun i => match i with O => G | _ => G' end).
  eapply has_grad_ext_grad.
  - apply (has_grad_comp k 2 (fun z => z 0%nat * z 1%nat) f x0 _ Gf (has_grad_prod2 _)).
    intros [|i] Hi; [exact H | exact H'].
  - intros j Hj. unfold f, Gf. simpl. ring.
Qed.

(* division, so that softmax and normalisation need no rule of their own *)
Lemma has_grad_div k F F' x0 G G' : has_grad k F x0 G -> has_grad k F' x0 G' -> F' x0 <> 0 ->
  has_grad k (fun y => F y / F' y) x0 (fun j => (G j * F' x0 - F x0 * G' j) / (F' x0 * F' x0)).
Proof.
  intros H H' Hne.
  assert (Hinv : is_derive (fun r => / r) (F' x0) (- / (F' x0 * F' x0))).
  { replace (- / (F' x0 * F' x0)) with (- 1 / (F' x0) ^ 2) by (field; exact Hne).
    apply (is_derive_inv (fun r => r)); [apply (is_derive_id (K := R_AbsRing)) | exact Hne]. }
  eapply has_grad_ext_grad.
  - apply (has_grad_mult k F (fun y => / F' y) x0 G _ H (has_grad_comp1 k _ _ F' x0 G' Hinv H')).
  - intros j Hj. simpl. field. exact Hne.
Qed.

(* where F is differentiable at x0 in R^k, it takes the value F x0 wherever the first k coordinates agree *)
Lemma has_grad_agree k F x0 G :
  has_grad k F x0 G -> forall y, (forall j, (j < k)%nat -> y j = x0 j) -> F y = F x0.
Proof.
  intros H y Hy.
  assert (H0 : forall i, (i < k)%nat -> vsub y x0 i = 0)
    by (intros i Hi; unfold vsub; rewrite Hy; [ring | exact Hi]).
  assert (HN : nrm k (vsub y x0) = 0).
  { apply Rle_antisym; [|apply nrm_nonneg].
    apply Rle_trans with (1 := nrm_le_sum _ _). apply Req_le, rsum_zero_ext.
    intros i Hi. rewrite H0 by exact Hi. apply Rabs_R0. }
  destruct (H 1 Rlt_0_1) as [d [Hd Hb]]. specialize (Hb y). rewrite HN in Hb. specialize (Hb Hd).
  unfold dot in Hb. rewrite rsum_zero_ext in Hb by (intros i Hi; rewrite H0 by exact Hi; ring).
  apply Rabs_le_between in Hb. lra.
Qed.

(* the base point matters only in its first k coordinates *)
Lemma has_grad_point k F x0 x1 G :
  has_grad k F x0 G -> (forall j, (j < k)%nat -> x1 j = x0 j) -> has_grad k F x1 G.
Proof.
  intros H E e He. destruct (H e He) as [d [Hd Hb]]. exists d. split; [exact Hd|].
  intros y. rewrite (has_grad_agree k F x0 G H x1 E).
  assert (Ev : forall i, (i < k)%nat -> vsub y x1 i = vsub y x0 i).
  { intros i Hi. unfold vsub. rewrite E by exact Hi. reflexivity. }
  rewrite (nrm_ext k _ _ Ev), (dot_ext k G (vsub y x1) G (vsub y x0)); [apply Hb | trivial | exact Ev].
Qed.

(* derivative along a line, two-sided *)
Lemma has_grad_line k F x0 h t G :
  has_grad k F (seg x0 h t) G -> is_derive (fun r => F (seg x0 h r)) t (dot k G h).
Proof.
  intros H. apply has_grad_1_iff.
  apply (has_grad_comp 1 k F (fun i y => x0 i + y 0%nat * h i) (fun _ => t) G (fun i _ => h i)); [exact H|].
  intros i Hi. apply has_grad_exact. intros y. unfold dot, vsub. simpl. ring.
Qed.

(* The partial derivatives of a function whose Frechet gradient exists are that gradient. *)
Lemma grad_eq k F x0 G : has_grad k F x0 G -> forall j, (j < k)%nat -> grad F x0 j = G j.
Proof.
  intros H j Hj. unfold grad. apply is_derive_unique.
  rewrite <- (dot_delta k G j Hj). apply has_grad_line.
  apply has_grad_point with (1 := H). intros i Hi. unfold seg. ring.
Qed.

Lemma grad_has k F x0 : differentiable k F x0 -> has_grad k F x0 (grad F x0).
Proof.
  intros [G H]. apply has_grad_ext_grad with (1 := H).
  intros j Hj. symmetry. apply grad_eq with (1 := H). exact Hj.
Qed.

(* A function has at most one Frechet gradient at a point. *)
Lemma has_grad_unique k F x0 G G' :
  has_grad k F x0 G -> has_grad k F x0 G' -> forall j, (j < k)%nat -> G j = G' j.
Proof.
  intros H H' j Hj. rewrite <- (grad_eq k F x0 G H j Hj). apply grad_eq with k; [exact H' | exact Hj].
Qed.

(* --- right derivatives --- *)

Lemma rderiv_eq h c d c' d' : rderiv h c d -> c = c' -> d = d' -> rderiv h c' d'.
Proof. intros D E1 E2. now subst. Qed.

Lemma rderiv_ext h h' c d : rderiv h c d -> (forall t, h t = h' t) -> rderiv h' c d.
Proof. intros H E. apply appr_ext with h; [apply within_filter, locally_filter | exact H | exact E]. Qed.

Lemma rderiv_affine c d : rderiv (fun t => c + t * d) c d.
Proof.
  apply appr_exact; [apply within_filter, locally_filter | apply at_right_scale|].
  apply filter_forall. intros t. ring.
Qed.

Lemma rderiv_const c : rderiv (fun _ => c) c 0.
Proof. apply rderiv_ext with (1 := rderiv_affine c 0). intros t. ring. Qed.

Lemma rderiv_id : rderiv (fun t => t) 0 1.
Proof. apply rderiv_ext with (1 := rderiv_affine 0 1). intros t. ring. Qed.

Lemma rderiv_plus h h' c c' d d' :
  rderiv h c d -> rderiv h' c' d' -> rderiv (fun t => h t + h' t) (c + c') (d + d').
Proof.
  intros H H'. apply appr_ext_lin with (fun t => d * t + d' * t); [apply within_filter, locally_filter | |].
  - apply appr_plus; [apply within_filter, locally_filter | exact H | exact H'].
  - intros t. ring.
Qed.

Lemma rderiv_scal a h c d : rderiv h c d -> rderiv (fun t => a * h t) (a * c) (a * d).
Proof.
  intros H. apply appr_ext_lin with (fun t => a * (d * t)); [apply within_filter, locally_filter | |].
  - apply appr_scal; [apply within_filter, locally_filter | apply at_right_scale | exact H].
  - intros t. ring.
Qed.

Lemma rderiv_minus h h' c c' d d' :
  rderiv h c d -> rderiv h' c' d' -> rderiv (fun t => h t - h' t) (c - c') (d - d').
Proof.
  intros H H'. replace (c - c') with (c + -1 * c') by ring. replace (d - d') with (d + -1 * d') by ring.
  apply rderiv_ext with (fun t => h t + -1 * h' t).
  - apply rderiv_plus; [exact H | apply rderiv_scal, H'].
  - intros t. ring.
Qed.

Lemma rderiv_sum n (h : nat -> R -> R) c d : (forall i, (i < n)%nat -> rderiv (h i) (c i) (d i)) ->
  rderiv (fun t => rsum n (fun i => h i t)) (rsum n c) (rsum n d).
Proof.
  induction n as [|n IH]; simpl; intros H.
  - apply rderiv_const.
  - apply rderiv_plus; [apply IH; intros i Hi|]; apply H; lia.
Qed.

(* a multiple of t is of the order of t *)
Lemma linear_bigO d : bigO (at_right 0) (fun t => t) (fun t => d * t).
Proof.
  exists (Rabs d). split; [apply Rabs_pos|]. exists (mkposreal 1 Rlt_0_1). intros t _ Ht.
  rewrite Rabs_mult, (Rabs_pos_eq t) by lra. lra.
Qed.

(* the chain rule for right derivatives *)
Lemma rderiv_comp n (Phi : vec -> R) z P (F : nat -> R -> R) d : has_grad n Phi z P ->
  (forall i, (i < n)%nat -> rderiv (F i) (z i) (d i)) ->
  rderiv (fun t => Phi (fun i => F i t)) (Phi z) (rsum n (fun i => P i * d i)).
Proof.
  intros HPhi H.
  apply appr_ext_lin with (fun t => rsum n (fun i => P i * (d i * t))).
  - apply within_filter, locally_filter.
  - apply (appr_comp (at_right 0) _ n Phi z P F (fun i t => d i * t)).
    + apply at_right_scale.
    + exact HPhi.
    + exact H.
    + intros i Hi. apply linear_bigO.
  - intros t. rewrite <- rsum_scal_r. apply rsum_ext. intros i Hi. ring.
Qed.

Lemma is_derive_rderiv h d : is_derive h 0 d -> rderiv h (h 0) d.
Proof.
  intros H. apply appr_ext_lin with (fun t => d * (1 * t)); [apply within_filter, locally_filter | |].
  - apply (appr_comp1 (at_right 0) (fun t => t) h d (fun t => t) 0 (fun t => 1 * t)).
    + apply at_right_scale.
    + exact H.
    + apply rderiv_id.
    + apply linear_bigO.
  - intros t. ring.
Qed.

(* what holds near 0 on the right holds on an interval (0, e0) *)
Lemma at_right_interval (P : R -> Prop) : at_right 0 P -> exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> P e.
Proof.
  intros [d Hd]. exists d. split; [apply cond_pos|]. intros e [H0 H1]. apply Hd; [|exact H0].
  change (Rabs (e - 0) < d). rewrite Rminus_0_r, Rabs_pos_eq; lra.
Qed.

Lemma rderiv_pos h d : rderiv h 0 d -> 0 < d -> exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < h e.
Proof.
  intros H Hd. destruct (at_right_interval _ (H (d / 2) ltac:(lra))) as [e0 [He0 Hb]].
  exists e0. split; [exact He0|]. intros e He. specialize (Hb e He). apply Rabs_le_between in Hb.
  assert (0 < d * e) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

Lemma rderiv_neg h c d : rderiv h c d -> d < 0 -> exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> h e < c.
Proof.
  intros H Hd.
  destruct (rderiv_pos (fun t => -1 * h t - -1 * c) (-1 * d)) as [e0 [He0 Hb]]; [|lra|].
  - replace 0 with (-1 * c - -1 * c) by ring. replace (-1 * d) with (-1 * d - 0) by ring.
    apply rderiv_minus; [apply rderiv_scal, H | apply rderiv_const].
  - exists e0. split; [exact He0|]. intros e He. specialize (Hb e He). lra.
Qed.
